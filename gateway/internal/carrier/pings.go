package carrier

import (
	"net"
	"sync"

	"github.com/mallee-io/mallee/wire/edge"
)

// pings are written in a goroutine of their own, so that neither the caller
// waits for the client nor the stack of the reader grows: a write needs one
// twice as deep as waiting does. There is one such goroutine at a time.
type pings struct {
	mu      sync.Mutex
	writing bool
	next    []byte // a pong that waits; newer ones take its place (RFC 6455, section 5.5.3)
}

// ping writes a ping, unless something is about to be written anyway.
func (l *link) ping(b []byte) error {
	l.pings.mu.Lock()
	defer l.pings.mu.Unlock()
	return l.beginPing(b)
}

// pong writes a pong. After Close nobody wants it any more.
func (l *link) pong(b []byte) {
	l.pings.mu.Lock()
	defer l.pings.mu.Unlock()
	if l.pings.writing {
		l.pings.next = b
		return
	}
	_ = l.beginPing(b)
}

// beginPing needs pings.mu.
func (l *link) beginPing(b []byte) error {
	if l.isClosing() {
		return net.ErrClosed
	}
	if !l.pings.writing {
		l.pings.writing = true
		go l.writePings(b)
	}
	return nil
}

func (l *link) writePings(b []byte) {
	for b != nil {
		if l.control(b) != nil && !l.isClosing() {
			// Nothing else may ever be written that would notice.
			l.to.end(edge.CodeSlow, "the client does not read")
		}
		l.pings.mu.Lock()
		b, l.pings.next = l.pings.next, nil
		l.pings.writing = b != nil
		l.pings.mu.Unlock()
	}
}
