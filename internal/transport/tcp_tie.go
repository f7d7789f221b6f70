package transport

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// Both nodes may dial at the same time, and one connection must remain. So a
// node never takes part in two attempts at once: when a hello arrives while
// its own dial is out, the dial of the lower node ID goes on and the other
// gives way. A dial whose hello is not out yet always gives way.
//
// A hello from a node that is connected already means that it has lost the
// connection: the new one takes its place as soon as the old one has ended,
// so that messages keep their order.

// attempt is what senders wait for.
type attempt struct {
	done chan struct{}
	conn *conn
	err  error
}

// dialing is this node's own attempt at a connection.
type dialing struct {
	cancel context.CancelFunc
	hello  bool // is on its way
}

// handshake is the other node's attempt.
type handshake struct {
	conn   *conn
	closed bool // what it was told of this node
}

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// backoff is how long to wait after so many failures: a random part of a time
// that doubles, so that nodes do not come all at once.
func backoff(failures int) time.Duration {
	pause := min(firstBackoff<<min(failures-1, 10), lastBackoff)
	return pause/2 + rand.N(pause/2)
}

// connection finds the connection to a node. A request dials where there is none,
// and gossip lets dial without waiting for it: it comes again.
func (l *life) connection(to placement.NodeID, m *Message) (*conn, error) {
	l.mu.RLock()
	k := l.ties[to]
	if k != nil && k.conn != nil {
		defer l.mu.RUnlock()
		return k.conn, nil
	}
	l.mu.RUnlock()
	if !m.Kind.asks() && m.Kind != Gossip {
		return nil, unavailable("the connection to node %s has ended", to)
	}
	a, err := l.attempt(to)
	if err != nil {
		return nil, err
	}
	if m.Kind == Gossip {
		select {
		case <-a.done:
			return a.conn, a.err
		default:
			return nil, unavailable("node %s is not connected yet", to)
		}
	}
	timer := time.NewTimer(min(m.Timeout, 2*l.config.DialTimeout))
	defer timer.Stop()
	select {
	case <-a.done:
		return a.conn, a.err
	case <-timer.C:
		return nil, unavailable("node %s: not connected in time", to)
	case <-l.ctx.Done():
		return nil, unavailable("node %s has left the network", l.node)
	}
}

func (l *life) attempt(to placement.NodeID) (*attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return nil, unavailable("node %s has left the network", l.node)
	case to == l.node:
		return nil, unavailable("node %s does not send to itself over the network", to)
	}
	k := l.tie(to)
	switch {
	case k.waiting != nil:
		return k.waiting, nil
	case k.conn != nil:
		a := &attempt{done: make(chan struct{}), conn: k.conn}
		close(a.done)
		return a, nil
	case k.incoming == nil && time.Now().Before(k.retry):
		return nil, unavailable("node %s cannot be reached: %v", to, k.reason)
	}
	k.waiting = &attempt{done: make(chan struct{})}
	if k.incoming == nil {
		l.dial(to, k)
	}
	return k.waiting, nil
}

// tie needs mu.
func (l *life) tie(to placement.NodeID) *tie {
	k := l.ties[to]
	if k == nil {
		k = new(tie)
		l.ties[to] = k
	}
	return k
}

// failed ends an own dial and whoever waits for it, unless it has given way.
func (l *life) failed(to placement.NodeID, d *dialing, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.tie(to)
	if k.dialing != d {
		return
	}
	k.dialing = nil
	k.failures++
	l.figures.failed.Add(1)
	k.retry, k.reason = time.Now().Add(backoff(k.failures)), err
	if !l.ended {
		level := slog.LevelWarn
		if k.failures > 1 { // it has been said
			level = slog.LevelDebug
		}
		l.config.Log.Log(l.ctx, level, "node not reached", "node", l.node, "to", to, "error", err)
	}
	k.settle(nil, unavailable("node %s cannot be reached: %v", to, err))
}

// settle needs mu.
func (k *tie) settle(c *conn, err error) {
	if a := k.waiting; a != nil {
		a.conn, a.err, k.waiting = c, err, nil
		close(a.done)
	}
}

// install puts a connection to use. told is what the peer knows of this node:
// that it takes no requests. It needs mu.
func (l *life) install(k *tie, c *conn, f *frames, told bool) error {
	switch {
	case l.ended:
		return errDetached
	case told:
		close(c.agreed)
	case l.closed: // since it was told otherwise
		c.late = true
		c.out.control(controlClosing)
	}
	k.conn, k.failures, k.retry = c, 0, time.Time{}
	l.figures.made.Add(1)
	k.settle(c, nil)
	c.start(f)
	return nil
}

// forget takes a connection out. It reports whether the node is still there to
// be told.
func (l *life) forget(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.ties[c.peer]; k != nil && k.conn == c {
		k.conn = nil
	}
	return !l.ended
}

// admit decides about a hello.
func (l *life) admit(h *hello, s *handshake) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return &refusal{reason: "node " + l.node.String() + " has left the network"}
	}
	k := l.tie(h.from)
	if k.dialing != nil {
		if k.dialing.hello && l.node < h.from {
			return &refusal{crossed: true, reason: "the dial of node " + l.node.String() + " goes first"}
		}
		k.dialing.cancel()
		k.dialing = nil
	}
	if k.incoming != nil {
		_ = k.incoming.conn.Close() // the dialer has begun anew
	}
	k.incoming, s.closed = s, l.closed
	return nil
}

// leave ends an attempt of the other node that came to nothing; who waits for
// it gets a dial of our own.
func (l *life) leave(from placement.NodeID, s *handshake) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.tie(from)
	if k.incoming != s {
		return
	}
	k.incoming = nil
	if k.waiting != nil && !l.ended {
		l.dial(from, k)
	}
}

// enter puts an accepted connection in the place of an earlier one.
func (l *life) enter(s *handshake, f *frames) error {
	for {
		l.mu.Lock()
		k := l.tie(s.conn.peer)
		if k.incoming != s {
			l.mu.Unlock()
			return errReplaced
		}
		old := k.conn
		if old == nil {
			defer l.mu.Unlock()
			err := l.install(k, s.conn, f, s.closed)
			if err == nil {
				k.incoming = nil
			}
			return err
		}
		l.mu.Unlock()
		old.fail(errReplaced)
		<-old.gone
	}
}
