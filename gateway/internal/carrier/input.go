package carrier

import (
	"io"
	"slices"
)

// input is what has come and was not read yet. The buffer is small, since every
// idle connection has one; large payloads go around it.
type input struct {
	buffer      [512]byte
	read, write int  // in buffer
	begun       bool // a message has begun to come
	timed       bool // the message that comes has a deadline
}

// await waits for the first byte of a frame, as long as it takes.
func (l *link) await() error {
	if l.in.read < l.in.write {
		return nil
	}
	n, err := l.to.Read(l.in.buffer[:])
	l.in.read, l.in.write = 0, n
	if n > 0 {
		return nil
	}
	return err
}

// fill reads all of p, which belongs to a message that has begun.
func (l *link) fill(p []byte) error {
	l.in.begun = true
	for len(p) > 0 {
		if l.in.read < l.in.write {
			n := copy(p, l.in.buffer[l.in.read:l.in.write])
			l.in.read += n
			p = p[n:]
			continue
		}
		if err := l.hurry(); err != nil {
			return err
		}
		into := p
		if len(p) < len(l.in.buffer) {
			into = l.in.buffer[:]
		}
		n, err := l.to.Read(into)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if len(p) < len(l.in.buffer) {
			l.in.read, l.in.write = 0, n
		} else {
			p = p[n:]
		}
	}
	return nil
}

// payload reads n bytes behind b. Memory is taken as they come: a client that
// announces much and sends nothing costs little.
func (l *link) payload(b []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(4<<10, len(b)))
		b = slices.Grow(b, step)
		if err := l.fill(b[len(b) : len(b)+step]); err != nil {
			return nil, err
		}
		b = b[:len(b)+step]
		n -= step
	}
	return b, nil
}

// hurry sets the deadline of a message of which more has to come.
func (l *link) hurry() error {
	if l.in.timed {
		return nil
	}
	l.in.timed = true
	return l.readWithin(l.FrameTimeout)
}

// whole notes that a message has come.
func (l *link) whole() error {
	l.heard.Add(1)
	l.in.begun = false
	if !l.in.timed {
		return nil
	}
	l.in.timed = false
	return l.readWithin(0)
}
