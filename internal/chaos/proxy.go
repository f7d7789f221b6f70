package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	maxProxied    = 1024     // connections of one proxy
	pieceSize     = 32 << 10 // bytes that a proxy holds in each direction
	connectWithin = 5 * time.Second
)

// ProxyConfig says for whom a proxy stands.
type ProxyConfig struct {
	// Process is the one that is reached through the proxy, and whose proxy's
	// address is told to the others. Target is where it listens.
	Process, Target string
	// Links are what data has to pass.
	Links *Links
	// Source names the process that has opened a connection from an address of
	// this machine; "" is a stranger, whose links are always good. An address
	// alone does not tell, and it is asked once for each connection. It must be
	// safe for concurrent use.
	Source func(from net.Addr) string
}

// Proxy stands between a process and the others, so that links can be cut.
type Proxy struct {
	config   ProxyConfig
	listener net.Listener
	ctx      context.Context // of its connections
	end      context.CancelFunc
	running  sync.WaitGroup
	places   chan struct{}

	mu    sync.Mutex
	conns map[*net.TCPConn]struct{} // of those who have dialed
}

// NewProxy listens on a free port of the loopback interface.
func NewProxy(config ProxyConfig) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", config.Process, err)
	}
	p := &Proxy{config: config, listener: listener, places: make(chan struct{}, maxProxied), conns: make(map[*net.TCPConn]struct{})}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the address that others dial, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends all connections, and returns when nothing of them is left.
func (p *Proxy) Close() error {
	p.end()
	err := p.listener.Close()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, for a while
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-p.ctx.Done():
				return
			}
		}
		select {
		case p.places <- struct{}{}:
			p.running.Go(func() {
				defer func() { <-p.places }()
				p.serve(conn.(*net.TCPConn))
			})
		default:
			_ = conn.Close() // too many: the dialer sees it
		}
	}
}

// Drop resets all connections that there are.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
}

// reset ends a connection as a network does, not in good order.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close() // it may be gone already
}

func (p *Proxy) note(conn *net.TCPConn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
	}
}

// serve forwards one connection until both directions have ended.
func (p *Proxy) serve(near *net.TCPConn) {
	defer p.note(near)()
	defer func() { _ = near.Close() }()
	there := Link{p.config.Source(near.RemoteAddr()), p.config.Process}
	back := Link{there.To, there.From}
	far, err := p.connect(there)
	if err != nil {
		reset(near) // refused
		return
	}
	defer func() { _ = far.Close() }()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { // wakes reads and writes
		_ = near.Close()
		_ = far.Close()
	})
	defer stop()
	var answers sync.WaitGroup
	answers.Go(func() {
		if p.forward(ctx, back, near, far) != nil {
			cancel()
		}
	})
	if p.forward(ctx, there, far, near) != nil {
		cancel()
	}
	answers.Wait()
}

// connect dials the process once the way there is good.
func (p *Proxy) connect(there Link) (*net.TCPConn, error) {
	if err := p.config.Links.pass(p.ctx, there); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, connectWithin)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.config.Target)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// forward copies from one side to the other, and at last its end. An error ends
// the other direction too.
func (p *Proxy) forward(ctx context.Context, link Link, to, from *net.TCPConn) error {
	piece := make([]byte, pieceSize)
	for {
		n, err := from.Read(piece)
		if passing := p.config.Links.pass(ctx, link); passing != nil {
			return passing
		}
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return to.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}
