package transport

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// conn is an established connection. One goroutine writes, one reads.
type conn struct {
	socket
	life   *life
	peer   placement.NodeID
	agreed chan struct{} // closed when the peer has agreed to send no more requests
	late   bool          // made while the node closed: requests until then are sent back
	gone   chan struct{} // closed when nothing of it will be received, and Lost has been told
	silent int           // beats; of the watching goroutine
}

var (
	errNotReading = errors.New("the peer does not read")
	errReplaced   = errors.New("the peer has made a new connection")
	errNoRequests = errors.New("the peer sends requests after it has agreed to send none")
	errOpen       = errors.New("the peer has not agreed in time to send no more requests")
)

func newConn(l *life, raw net.Conn) *conn {
	c := &conn{socket: socket{Conn: raw}, life: l, agreed: make(chan struct{}), gone: make(chan struct{})}
	c.out.init(l.config.Pending)
	return c
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.socket.Read(b)
	c.life.figures.received.Add(int64(n))
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.life.figures.sent.Add(int64(n))
	return n, err
}

// start needs life.mu.
func (c *conn) start(f *frames) {
	f.limit = 0
	c.life.running.Go(func() { c.flush(c, c.life.config.Silence) })
	c.life.running.Go(func() { c.end(c.receive(f)) })
}

func (c *conn) end(err error) {
	c.fail(err)
	c.out.drop()
	if c.life.forget(c) {
		err = *c.cause.Load()
		if errors.Is(err, io.EOF) {
			err = errors.New("the peer has closed it")
		}
		level, what := slog.LevelInfo, "connection lost"
		if c.out.refusing() { // it has said that it leaves
			level, what = slog.LevelDebug, "node has left"
		}
		c.life.config.Log.Log(c.life.ctx, level, what, "node", c.life.node, "to", c.peer, "error", err)
		c.life.handler.Lost(c.peer)
	}
	close(c.gone)
}

// beat comes heartbeats times in the time of silence.
func (c *conn) beat(silence time.Duration) {
	c.out.ping()
	if c.heard.Swap(false) {
		c.silent = 0
		return
	}
	if c.silent++; c.silent >= heartbeats {
		c.fail(fmt.Errorf("nothing has come from the peer for %v", silence))
	}
}

// cutUnlessAgreed returns when no request can come any more.
func (c *conn) cutUnlessAgreed() {
	select {
	case <-c.agreed:
	default:
		c.fail(errOpen)
		<-c.gone
	}
}

// packet is a message with room for a short body: one allocation for both.
type packet struct {
	Message
	short [48]byte
}

func (c *conn) receive(f *frames) error {
	known := new(names)
	for {
		meta, body, owned, err := f.next()
		if err != nil {
			return err
		}
		if isControl(meta) {
			if err := c.control(meta[metaKind]); err != nil {
				return err
			}
			continue
		}
		p := new(packet)
		if err := parseMeta(&p.Message, meta, known); err != nil {
			return err
		}
		p.keep(body, owned)
		if err := c.check(&p.Message); err != nil {
			return err
		}
		if c.late && p.Kind.asks() {
			c.sendBack(&p.Message)
			continue
		}
		c.life.handler.Receive(c.peer, &p.Message)
	}
}

// sendBack answers in the place of a node that takes no requests any more.
func (c *conn) sendBack(m *Message) {
	if m.Call != 0 {
		_ = c.send(&Message{Kind: Reply, Call: m.Call, Error: unavailable("node %s is stopping", c.life.node)}) // or the caller loses the connection
	}
}

func (p *packet) keep(body []byte, owned bool) {
	switch n := len(body); {
	case n == 0:
	case owned:
		p.Body = body
	case n <= len(p.short):
		p.Body = p.short[:copy(p.short[:], body):n]
	default:
		p.Body = append(make([]byte, 0, n), body...)
	}
}

func (c *conn) check(m *Message) error {
	if m.Kind.asks() {
		select {
		case <-c.agreed:
			return errNoRequests
		default:
		}
	}
	if err := m.validate(); err != nil {
		return fmt.Errorf("a message of kind %d: %w", m.Kind, err)
	}
	return nil
}

func (c *conn) control(kind byte) error {
	switch kind {
	case controlPing:
	case controlClosing:
		c.out.refuse()
	case controlClosed:
		select {
		case <-c.agreed:
			return errors.New("the peer agrees twice to send no requests")
		default:
			close(c.agreed)
		}
	default:
		return fmt.Errorf("a control frame of kind %d is out of place", kind)
	}
	return nil
}
