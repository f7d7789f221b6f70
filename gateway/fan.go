package gateway

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
)

const (
	// fanFrom is how many sessions of one push are written to by a fan. Fewer
	// have a goroutine each.
	fanFrom = 64
	// fanPause is how long a fan may stand still before it gets more goroutines.
	fanPause = 2 * time.Millisecond
)

// fan writes to many connections with few goroutines, since starting one takes
// about as long as a write. A client that does not read keeps its goroutine and
// nobody else: when none gets on, there are twice as many.
type fan struct {
	lines   []line
	next    atomic.Int64 // in lines
	workers int
	seen    int64 // next, when it was last looked at
}

// line is a connection that a session writes to, and whose writing it is.
type line struct {
	session *session
	conn    carrier.Conn
}

// newFan is a fan for a push to so many sessions, or nil, which gives each its
// own goroutine.
func newFan(sessions int) *fan {
	if sessions < fanFrom {
		return nil
	}
	return &fan{lines: make([]line, 0, sessions)}
}

// add writes what the session has for the connection, at the latest when the
// fan starts.
func (f *fan) add(s *session, conn carrier.Conn) {
	if f == nil {
		go s.write(conn)
		return
	}
	f.lines = append(f.lines, line{s, conn})
}

func (f *fan) start() {
	if f == nil || len(f.lines) == 0 {
		return
	}
	f.grow(min(runtime.GOMAXPROCS(0), len(f.lines)))
	time.AfterFunc(fanPause, f.look)
}

func (f *fan) grow(n int) {
	f.workers += n
	for range n {
		go f.work()
	}
}

func (f *fan) work() {
	for i := f.next.Add(1) - 1; i < int64(len(f.lines)); i = f.next.Add(1) - 1 {
		f.lines[i].session.write(f.lines[i].conn)
	}
}

// look sees to it that the fan gets on.
func (f *fan) look() {
	at := f.next.Load()
	if at >= int64(len(f.lines)) {
		return
	}
	if at == f.seen {
		f.grow(min(f.workers, len(f.lines)-int(at)))
	}
	f.seen = at
	time.AfterFunc(fanPause, f.look)
}
