// Package stream is the two streams of a session: Out, what goes to its client,
// and In, what comes from it. They decide what is kept, sent again, refused and
// missing, and do no I/O: no goroutine, clock or socket.
package stream
