package clienttest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on until they are cut.
type Proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	shut  bool // new ones are cut at once
}

// NewProxy runs a proxy until the test ends.
func NewProxy(t testing.TB, to net.Addr) *Proxy {
	t.Helper()
	p := &Proxy{listener: listen(t), to: to.String(), conns: make(map[net.Conn]struct{})}
	go p.run()
	t.Cleanup(func() {
		p.Refuse()
		p.Cut()
	})
	return p
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut ends all connections, without a word of the protocol.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

// Refuse cuts connections that are new, and leaves those that there are.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
}

func (p *Proxy) run() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return // the test has ended
		}
		go p.pass(in)
	}
}

func (p *Proxy) pass(in net.Conn) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if !p.add(in, out) {
		return
	}
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(way[1], way[0]) // a connection that is cut is what the proxy is for
			ended <- struct{}{}
		}()
	}
	<-ended
}

func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if !p.shut {
			p.conns[c] = struct{}{}
		}
	}
	return !p.shut
}
