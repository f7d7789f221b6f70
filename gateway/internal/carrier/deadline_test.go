package carrier_test

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// oneConn is a listener that accepts one connection.
type oneConn struct {
	conns chan net.Conn
	ended chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error   { close(l.ended); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// The deadline of a write is that of the next ones, too: it may pass while there
// are none, and a client that does not read has at least WriteTimeout.
func TestWritesShareADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 8 * time.Second
		near, far := net.Pipe()
		listener := oneConn{make(chan net.Conn, 1), make(chan struct{})}
		listener.conns <- near
		accepted := make(chan carrier.Conn, 1)
		served := make(chan error, 1)
		go func() {
			served <- carrier.New(carrier.Config{WriteTimeout: timeout}).ServeTCP(listener, func(c carrier.Conn) { accepted <- c })
		}()
		conn := <-accepted
		message := []*carrier.Outgoing{{Frame: carrier.Frame{Kind: edge.KindBinary, Data: []byte("data")}}}
		for _, idle := range []time.Duration{0, timeout / 8, timeout / 8, timeout, timeout / 4, 3 * timeout} {
			time.Sleep(idle)
			go func() { _, _ = io.ReadFull(far, make([]byte, edge.HeaderSize+len("data"))) }()
			if err := conn.Write(message); err != nil {
				t.Fatalf("after %v: %v", idle, err)
			}
		}
		begin := time.Now()
		if err := conn.Write(message); err == nil {
			t.Error("written to nobody")
		}
		if took := time.Since(begin); took < timeout || took > timeout*5/4 {
			t.Errorf("the client had %v", took)
		}
		_ = far.Close()
		conn.Close(edge.CodeNormal, "")
		_ = listener.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
