package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// Conn is one session with a gateway, across its connections. Its methods may
// be called at the same time. See Dial.
type Conn struct {
	config  Config
	inbox   chan arrival
	stop    context.CancelFunc // ends run
	stopped chan struct{}      // run has returned
	err     error              // why; once stopped is closed

	mu      sync.Mutex
	session *edge.Client
	largest int           // that the gateway takes; 0: not known yet
	room    chan struct{} // closed when there is room to send again; nil: nobody waits
	link    *link         // nil: there is no connection
	closing bool
}

// arrival is what Receive returns.
type arrival struct {
	message mallee.Message
	lost    *edge.Loss
}

// Dial opens a session. It tries each URL once; the error is an *edge.Closed if
// a gateway has refused. The context is for the attempt alone: afterwards the
// Conn comes back by itself until Close, or until the gateway tells it not to.
func Dial(ctx context.Context, config Config) (*Conn, error) {
	config = config.withDefaults()
	if len(config.URLs) == 0 {
		return nil, errors.New("dial: Config.URLs is empty")
	}
	run, stop := context.WithCancel(context.Background())
	c := &Conn{
		config:  config,
		inbox:   make(chan arrival, config.ReceiveBuffer),
		stop:    stop,
		stopped: make(chan struct{}),
		session: edge.NewClient(config.SendBuffer, config.SendBytes),
	}
	r := &runner{conn: c, route: route{urls: config.URLs}, backoff: backoff{first: config.Backoff, longest: config.MaxBackoff}}
	l, err := r.connect(ctx)
	if err != nil {
		stop()
		return nil, err
	}
	go r.run(run, l)
	return c, nil
}

// Send takes a message, to be sent now or when there is a connection again. It
// waits while too much is kept that the gateway has not acknowledged. The data
// must not change any more. After an error the message is not sent.
func (c *Conn) Send(ctx context.Context, m mallee.Message) error {
	data := edge.Data{Kind: edge.KindBinary, Payload: m.Data}
	if m.Text {
		data.Kind = edge.KindText
		if err := edge.CheckText(m.Data); err != nil {
			return err
		}
	}
	for {
		room, err := c.trySend(data)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-c.stopped:
			return c.err
		case <-ctx.Done():
			return fmt.Errorf("send: %w: %w", err, ctx.Err())
		}
	}
}

// trySend takes a message, or gives a channel that tells of room for it.
func (c *Conn) trySend(d edge.Data) (room <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if c.closing {
		return nil, errClosed
	}
	if c.largest > 0 && len(d.Payload) > c.largest {
		return nil, fmt.Errorf("send: a message of %d bytes; the gateway takes %d", len(d.Payload), c.largest)
	}
	err = c.session.Send(d)
	if errors.Is(err, edge.ErrFull) {
		if c.room == nil {
			c.room = make(chan struct{})
		}
		return c.room, err
	}
	if c.link != nil {
		c.link.poke()
	}
	return nil, err
}

// Receive waits for the next message. An error that is an *edge.Loss says that
// messages are missing at this place; the next call goes on behind them. Any
// other one but the context's is the end: an *edge.Closed where the gateway has
// ended the session.
func (c *Conn) Receive(ctx context.Context) (mallee.Message, error) {
	select {
	case a := <-c.inbox:
		return a.unpack()
	default:
	}
	select {
	case a := <-c.inbox:
		return a.unpack()
	case <-ctx.Done():
		return mallee.Message{}, ctx.Err()
	case <-c.stopped:
	}
	select {
	case a := <-c.inbox: // it came before the end
		return a.unpack()
	default:
		return mallee.Message{}, c.err
	}
}

func (a arrival) unpack() (mallee.Message, error) {
	if a.lost != nil {
		return mallee.Message{}, a.lost
	}
	return a.message, nil
}

// begin begins a connection.
func (c *Conn) begin(login json.RawMessage) edge.Hello {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Begin(login)
}

// next reads a frame and what it means. A close of the gateway is an error.
func (c *Conn) next(conn carrier) (edge.Event, error) {
	d, err := conn.read()
	if err != nil {
		return edge.Event{}, err
	}
	c.mu.Lock()
	event, err := c.session.Read(d.Kind, d.Payload)
	if c.room != nil && c.session.Room() {
		close(c.room)
		c.room = nil
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		return edge.Event{}, err
	case event.Closed != nil:
		return edge.Event{}, event.Closed
	}
	if event.Data.Kind == edge.KindText {
		err = edge.CheckText(event.Data.Payload)
	}
	return event, err
}

func (c *Conn) attach(l *link, w *edge.Welcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.largest = l, int(w.Largest)
}

func (c *Conn) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = nil
}

func (c *Conn) resume() *edge.Resume {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session.Resume()
}

func (c *Conn) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.Forget()
}

// end is called before stopped is closed.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing, c.err = true, err
}

// errClosed is what Send and Receive return after Close.
var errClosed = &edge.Closed{Code: edge.CodeNormal, Reason: "closed by this side"}

// farewell is how long Close waits for the gateway.
const farewell = time.Second

// Close ends the session. What was not sent yet is not sent any more.
func (c *Conn) Close() {
	c.mu.Lock()
	first, l := !c.closing, c.link
	c.closing = true
	c.mu.Unlock()
	if first && l != nil {
		go l.carrier.goodbye(edge.CodeNormal, "")
		// The gateway closes the connection; doing it here at once might take
		// the goodbye back.
		select {
		case <-l.over:
		case <-time.After(farewell):
		}
	}
	c.stop()
	<-c.stopped
}
