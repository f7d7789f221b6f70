package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// life is a node on a network over TCP, from Attach to Detach.
type life struct {
	config  TCPConfig
	figures *figures
	node    placement.NodeID
	handler Handler
	ctx     context.Context // ends with Detach; dials and handshakes end with it
	cancel  context.CancelFunc
	running sync.WaitGroup // all goroutines of this life; Add holds mu, or is one of them

	mu     sync.RWMutex
	ties   map[placement.NodeID]*tie
	closed bool // takes no new requests
	ended  bool
}

// tie is what is between this node and another one: a connection, or at most
// one attempt to make it from each side. See tcp_tie.go.
type tie struct {
	conn     *conn      // nil: not connected
	waiting  *attempt   // what senders wait for
	dialing  *dialing   // our attempt
	incoming *handshake // the other node's attempt, to which ours has given way

	failures int
	retry    time.Time // no dial before
	reason   error     // of the last failure
}

func newLife(config TCPConfig, f *figures, node placement.NodeID, h Handler) *life {
	l := &life{config: config, figures: f, node: node, handler: h, ties: make(map[placement.NodeID]*tie)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// start accepts connections. Without a listener it opens addr.
func (l *life) start(listener net.Listener, addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.running.Go(func() {
		if listener == nil {
			if listener = l.listen(addr); listener == nil {
				return
			}
		}
		stop := context.AfterFunc(l.ctx, func() { _ = listener.Close() })
		defer stop()
		l.accept(listener)
	})
	l.running.Go(l.watch)
}

// listen tries until the address is open or the life ends.
func (l *life) listen(addr string) net.Listener {
	for failures := 1; ; failures++ {
		listener, err := net.Listen("tcp", addr)
		if err == nil {
			return listener
		}
		l.config.Log.Error("cannot listen for other nodes", "addr", addr, "error", err)
		if !l.pause(failures) {
			return nil
		}
	}
}

// maxHandshakes bounds the connections that have not said yet who they are.
const maxHandshakes = 256

func (l *life) accept(listener net.Listener) {
	defer func() { _ = listener.Close() }()
	slots := make(chan struct{}, maxHandshakes)
	failures := 0
	for {
		raw, err := listener.Accept()
		switch {
		case err == nil:
			failures = 0
		case l.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default: // such as too many open files
			failures++
			l.config.Log.Warn("cannot accept a connection", "error", err)
			if !l.pause(failures) {
				return
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-l.ctx.Done():
			_ = raw.Close()
			return
		}
		l.running.Go(func() {
			defer func() { <-slots }()
			l.welcome(raw)
		})
	}
}

// pause waits a little longer after each failure. It reports false when the
// life has ended.
func (l *life) pause(failures int) bool {
	timer := time.NewTimer(backoff(failures))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// conns lists the connections there are. It needs mu.
func (l *life) conns() (all []*conn) {
	for _, k := range l.ties {
		if k.conn != nil {
			all = append(all, k.conn)
		}
	}
	return all
}

func (l *life) close() {
	l.mu.Lock()
	l.closed = true
	conns := l.conns()
	l.mu.Unlock()
	deadline := time.NewTimer(l.config.Silence)
	defer deadline.Stop()
	for _, c := range conns {
		c.out.control(controlClosing)
	}
	late := false
	for _, c := range conns {
		if !late {
			select {
			case <-c.agreed:
				continue
			case <-c.gone:
				continue
			case <-deadline.C:
				late = true
			}
		}
		c.cutUnlessAgreed()
	}
}

func (l *life) detach() {
	l.mu.Lock()
	l.ended = true
	graceful := l.closed
	conns := l.conns()
	l.mu.Unlock()
	l.cancel()
	for _, c := range conns {
		if graceful {
			c.finish(l.config.DialTimeout)
		} else {
			c.fail(errDetached)
		}
	}
	l.running.Wait()
}

var errDetached = errors.New("this node has left the network")

// watch keeps connections from being silent, ends those that are, and forgets
// nodes that have not been there for a while: their IDs never come again.
func (l *life) watch() {
	ticker := time.NewTicker(l.config.Silence / heartbeats)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		conns := l.conns()
		for id, k := range l.ties {
			if k.conn == nil && k.waiting == nil && k.dialing == nil && k.incoming == nil && time.Since(k.retry) > l.config.Silence {
				delete(l.ties, id)
			}
		}
		l.mu.Unlock()
		for _, c := range conns {
			c.beat(l.config.Silence)
		}
	}
}

// heartbeats is how often in the time of silence something is sent.
const heartbeats = 4
