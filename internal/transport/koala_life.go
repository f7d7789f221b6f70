package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// inbound marks the IDs of connections that hosts have dialled. Members have
// small ones.
const inbound placement.NodeID = 1 << 63

func isInbound(id placement.NodeID) bool { return id&inbound != 0 }

// koalaLife is a node on the network to Koala hosts, from Attach to Detach.
type koalaLife struct {
	*Koala
	node    placement.NodeID
	handler Handler
	named   Services // the handler too, where it knows what it hosts
	calls   map[string]func() mallee.Call
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // all goroutines of this life

	logins   logins
	audience audience
	guests   guests

	gate   sync.RWMutex // read-locked while a request is handed over
	closed bool         // takes no new requests

	mu    sync.Mutex
	conns map[placement.NodeID]*koalaConn
	dials map[placement.NodeID]*koalaDial
	last  placement.NodeID // of connections that hosts have dialled
	hosts int              // how many there are of them
	ended bool
}

// koalaDial is an attempt to reach a host, or the wait after one that failed.
type koalaDial struct {
	again    bool // one has failed before
	done     chan struct{}
	conn     *koalaConn
	err      error
	failures int       // guarded by koalaLife.mu
	retry    time.Time // no dial before
}

func newKoalaLife(k *Koala, node placement.NodeID, h Handler) *koalaLife {
	l := &koalaLife{Koala: k, node: node, handler: h, conns: make(map[placement.NodeID]*koalaConn), dials: make(map[placement.NodeID]*koalaDial)}
	l.named, _ = h.(Services)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.calls = represented()
	l.logins.init()
	l.audience.init(l)
	l.guests.init(l)
	return l
}

func (l *koalaLife) existing(id placement.NodeID) *koalaConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[id]
}

// connection finds or dials the connection to a host.
func (l *koalaLife) connection(to placement.NodeID, timeout time.Duration) (*koalaConn, error) {
	c, d, err := l.attempt(to)
	if c != nil || err != nil {
		return c, err
	}
	timer := time.NewTimer(min(timeout, 2*l.config.DialTimeout))
	defer timer.Stop()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-timer.C:
		return nil, unavailable("host %s: not connected in time", to)
	case <-l.ctx.Done():
		return nil, unavailable("node %s has left the network", l.node)
	}
}

func (l *koalaLife) attempt(to placement.NodeID) (*koalaConn, *koalaDial, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.dials[to]
	switch {
	case l.ended:
		return nil, nil, unavailable("node %s has left the network", l.node)
	case l.conns[to] != nil:
		return l.conns[to], nil, nil
	case isInbound(to):
		return nil, nil, unavailable("the connection to host %s has ended", to)
	case d != nil && !isClosed(d.done):
		return nil, d, nil
	case d != nil && time.Now().Before(d.retry):
		return nil, nil, d.err
	}
	next := &koalaDial{done: make(chan struct{})}
	if d != nil {
		next.failures, next.again = d.failures, true
	}
	l.dials[to] = next
	l.running.Go(func() { l.dial(to, next) })
	return nil, next, nil
}

func isClosed(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (l *koalaLife) dial(to placement.NodeID, d *koalaDial) {
	ctx, cancel := context.WithTimeout(l.ctx, l.config.DialTimeout)
	defer cancel()
	raw, err := l.open(ctx, to)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(d.done)
	if err == nil {
		d.conn, err = l.install(to, raw, nil)
	}
	if err == nil {
		d.conn.failures = d.failures
		delete(l.dials, to)
		return
	}
	d.failures++
	d.retry = time.Now().Add(backoff(d.failures))
	d.err = unavailable("host %s cannot be reached: %v", to, err)
	if !l.ended {
		l.config.Log.Warn("host not reached", "node", l.node, "to", to, "error", err)
	}
}

func (l *koalaLife) open(ctx context.Context, to placement.NodeID) (net.Conn, error) {
	addr, err := l.members.address(ctx, to)
	if err != nil {
		return nil, err
	}
	return l.config.Dial(ctx, addr)
}

// install puts a connection to use. It needs mu.
func (l *koalaLife) install(id placement.NodeID, raw net.Conn, f *frames) (*koalaConn, error) {
	if l.ended {
		_ = raw.Close()
		return nil, errDetached
	}
	c := newKoalaConn(l, id, raw)
	if f == nil {
		f = new(frames)
	}
	f.from, f.limit = c, 0
	l.conns[id] = c
	if !isInbound(id) {
		c.beat() // hosts want one at once
	}
	l.running.Go(func() { c.flush(c, l.config.Silence) })
	l.running.Go(func() { c.end(c.receive(f)) })
	return c, nil
}

var errTooMany = errors.New("too many connections of Koala hosts")

// Accept takes a connection that a host has dialled.
func (k *Koala) Accept(raw net.Conn) error { return k.accept(raw, nil) }

// accept takes a connection of which f may have read the beginning. With an
// error it is still the caller's.
func (k *Koala) accept(raw net.Conn, f *frames) error {
	l := k.life.Load()
	if l == nil {
		return errDetached
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hosts >= k.config.Conns {
		return fmt.Errorf("%w: there are %d", errTooMany, l.hosts)
	}
	l.last++
	if _, err := l.install(inbound|l.last, raw, f); err != nil {
		return err
	}
	l.hosts++
	l.running.Go(l.audience.lookAll) // which needs the lock
	return nil
}

// forget takes a connection out. It reports whether the node is still there to
// be told.
func (l *koalaLife) forget(c *koalaConn) bool {
	l.unproven(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c.id)
	if isInbound(c.id) {
		l.hosts--
	}
	return !l.ended
}

func (l *koalaLife) close() {
	l.gate.Lock()
	defer l.gate.Unlock()
	l.closed = true
}

// receive hands a request over, unless the node is stopping.
func (l *koalaLife) receive(from placement.NodeID, m *Message) bool {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.closed {
		return false
	}
	l.handler.Receive(from, m)
	return true
}

func (l *koalaLife) detach() {
	l.gate.RLock()
	graceful := l.closed
	l.gate.RUnlock()
	l.mu.Lock()
	l.ended = true
	conns := l.list()
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

// list needs mu.
func (l *koalaLife) list() []*koalaConn {
	all := make([]*koalaConn, 0, len(l.conns))
	for _, c := range l.conns {
		all = append(all, c)
	}
	return all
}

// watch sends heartbeats, ends connections that are silent, and forgets hosts
// that could not be reached.
func (l *koalaLife) watch() {
	ticker := time.NewTicker(l.config.Beat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-l.ctx.Done():
			return
		}
		l.mu.Lock()
		conns := l.list()
		for id, d := range l.dials {
			if isClosed(d.done) && time.Since(d.retry) > l.config.Silence {
				delete(l.dials, id)
			}
		}
		l.mu.Unlock()
		for _, c := range conns {
			c.watch()
		}
		l.audience.beat()
		l.guests.beat()
	}
}
