package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// link is one connection of a Conn, after its welcome. The goroutine of the
// runner reads; another one writes.
type link struct {
	conn    *Conn
	carrier carrier
	moving  bool          // to another gateway; the reader's
	ping    time.Duration // the gateway wants to hear something as often
	began   time.Time
	tasks   sync.WaitGroup
	over    chan struct{} // nothing is read any more
	poked   chan struct{} // there may be something to write
	heard   atomic.Bool   // since the last beat
	held    atomic.Bool   // the reader waits for Receive

	urgent    []edge.Data // in front of what waits; guarded by conn.mu
	successor *successor  // set by a task; read after tasks
}

// batch is how many data frames are written at once.
const batch = 64

// defaultPing is how often something is to be heard if the gateway does not care.
const defaultPing = 30 * time.Second

func newLink(c *Conn, conn carrier, w *edge.Welcome) *link {
	l := &link{
		conn: c, carrier: conn, ping: time.Duration(w.Ping) * time.Millisecond, began: time.Now(),
		over: make(chan struct{}), poked: make(chan struct{}, 1),
	}
	if l.ping <= 0 {
		l.ping = defaultPing
	}
	l.poke()
	return l
}

func (l *link) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// say puts a frame in front of what waits.
func (l *link) say(d edge.Data) {
	l.conn.mu.Lock()
	l.urgent = append(l.urgent, d)
	l.conn.mu.Unlock()
	l.poke()
}

// write writes until the link is over, and ends it when nothing can be written
// or the gateway is silent.
func (l *link) write() {
	acks := time.NewTicker(l.conn.config.AckAfter)
	defer acks.Stop()
	beats := time.NewTicker(l.ping / 2)
	defer beats.Stop()
	silent := 0
	for {
		ackEvery := l.conn.config.AckEvery
		select {
		case <-l.over:
			return
		case <-l.poked:
		case <-acks.C:
			ackEvery = 1
		case <-beats.C:
			silent++
			if l.heard.Swap(false) || l.held.Load() {
				silent = 0
			}
			if silent > 2 { // nothing has come, though two pings were sent
				l.carrier.close()
				return
			}
			l.say(edge.Data{Kind: edge.KindPing})
		}
		if err := l.flush(ackEvery); err != nil {
			l.carrier.close() // then the reader knows
			return
		}
	}
}

func (l *link) flush(ackEvery int) error {
	for {
		frames := l.take(ackEvery)
		if len(frames) == 0 {
			return nil
		}
		if err := l.carrier.write(frames); err != nil {
			return err
		}
	}
}

// take is what is to be written now; an ack is among it if as many messages
// have come.
func (l *link) take(ackEvery int) []edge.Data {
	c := l.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := l.urgent
	l.urgent = nil
	if n, due := c.session.Ack(uint64(ackEvery)); due {
		frames = append(frames, edge.Data{Kind: edge.KindAck, Payload: edge.AppendAck(nil, n)})
	}
	for range batch {
		d, ok := c.session.Next()
		if !ok {
			break
		}
		frames = append(frames, d)
	}
	return frames
}

// successor is a connection to another gateway, on which nothing was said yet.
type successor struct {
	carrier carrier
	route   route
}

// move dials another gateway at a random moment of the time that is given. This
// connection is used until the other one is there: what is on its way then comes
// again.
func (l *link) move(ctx context.Context, m *edge.Move, to route) {
	pause := rand.N(time.Duration(m.Within)*time.Millisecond + 1)
	again := backoff{first: l.conn.config.Backoff, longest: l.conn.config.MaxBackoff}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if conn, err := to.dial(ctx, &l.conn.config); err == nil {
			l.successor = &successor{conn, to}
			l.carrier.close()
			return
		}
		pause = 0
		if to.at == 0 { // all were tried
			pause = again.next()
		}
	}
}
