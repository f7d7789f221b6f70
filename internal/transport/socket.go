package transport

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// socket is what connections to Mallee nodes and to Koala hosts have in common.
// One goroutine writes what gathers in the outbox, one reads.
type socket struct {
	net.Conn
	out   outbox
	cause atomic.Pointer[error] // why it ended, the first reason
	heard atomic.Bool           // something has come since the last beat
}

// Read notes that the peer is there.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 && !s.heard.Load() {
		s.heard.Store(true)
	}
	return n, err
}

// fail ends the connection; its reader does the rest.
func (s *socket) fail(err error) {
	s.cause.CompareAndSwap(nil, &err)
	if secure, ok := s.Conn.(*tls.Conn); ok {
		_ = secure.NetConn().Close() // without a farewell, which could block
		return
	}
	_ = s.Close()
}

// flush writes to the connection that the socket is part of, until finish.
func (s *socket) flush(to net.Conn, silence time.Duration) {
	if err := s.out.writeTo(to, silence); err != nil {
		s.fail(err)
		return
	}
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the reader ends the rest
		return
	}
	_ = s.Close()
}

// finish sends what waits, and ends when the peer has taken it or the time is up.
func (s *socket) finish(limit time.Duration) {
	_ = s.SetReadDeadline(time.Now().Add(limit))
	s.out.finish()
}
