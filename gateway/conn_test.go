package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// client is both ends of a connection in memory: a carrier.Conn to the gateway,
// and a client to the test.
type client struct {
	t      *testing.T
	framed bool

	mu      sync.Mutex
	moved   *sync.Cond
	up      []carrier.Frame
	down    []carrier.Frame
	stalled bool // it does not read: Write waits
	heard   uint64
	pings   int
	cut     error        // what Read returns once up is empty
	closed  *edge.Closed // by the gateway
}

func dial(t *testing.T, g *gateway.Gateway, framed bool) *client {
	t.Helper()
	c := &client{t: t, framed: framed}
	c.moved = sync.NewCond(&c.mu)
	go g.Accept(c)
	return c
}

// The gateway's end.

func (c *client) Read() (carrier.Frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.up) == 0 && c.cut == nil && c.closed == nil {
		c.moved.Wait()
	}
	switch {
	case c.closed != nil:
		return carrier.Frame{}, net.ErrClosed
	case len(c.up) == 0:
		return carrier.Frame{}, c.cut
	}
	f := c.up[0]
	c.up = c.up[1:]
	c.heard++
	c.moved.Broadcast()
	return f, nil
}

func (c *client) Write(frames []*carrier.Outgoing) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.stalled && c.cut == nil && c.closed == nil {
		c.moved.Wait()
	}
	if c.cut != nil || c.closed != nil {
		return net.ErrClosed
	}
	for _, f := range frames {
		if c.framed || f.Kind.Data() {
			c.down = append(c.down, f.Frame)
		}
	}
	c.moved.Broadcast()
	return nil
}

func (c *client) Close(code edge.Code, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = &edge.Closed{Code: code, Reason: reason}
	}
	c.moved.Broadcast()
}

func (c *client) Heard() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

func (c *client) Ping() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings++
	return nil
}

func (c *client) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:1000") }
func (c *client) Framed() bool           { return c.framed }
func (c *client) Name() string           { return "memory" }

// The client's end.

func (c *client) send(kind edge.Kind, data string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = append(c.up, carrier.Frame{Kind: kind, Data: []byte(data)})
	c.moved.Broadcast()
}

func (c *client) say(texts ...string) {
	for _, text := range texts {
		c.send(edge.KindText, text)
	}
}

// sayAll says the numbers from..to.
func (c *client) sayAll(from, to int) {
	for i := from; i <= to; i++ {
		c.say(fmt.Sprint(i))
	}
}

func (c *client) hello(h edge.Hello) {
	h.Version = edge.Version
	b, err := edge.Encode(h)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(edge.KindLogin, string(b))
}

// leave ends the connection as the client does: with a code, or cut without.
func (c *client) leave(code edge.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = errors.New("connection reset")
	if code != 0 {
		c.cut = &carrier.Closed{Code: code, Client: true}
	}
	c.moved.Broadcast()
}

func (c *client) stall(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = on
	c.moved.Broadcast()
}

// next is the next frame; Acks are left out.
func (c *client) next() carrier.Frame {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for len(c.down) == 0 {
			if c.closed != nil {
				c.t.Fatalf("closed with %d %q instead of a frame", c.closed.Code, c.closed.Reason)
			}
			c.moved.Wait()
		}
		f := c.down[0]
		c.down = c.down[1:]
		if f.Kind != edge.KindAck {
			return f
		}
	}
}

// hears fails unless the next messages are these texts.
func (c *client) hears(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if f := c.next(); f.Kind != edge.KindText || string(f.Data) != want {
			c.t.Fatalf("frame %d %q instead of the text %q", f.Kind, f.Data, want)
		}
	}
}

// hearsAll fails unless the next messages are the numbers from..to.
func (c *client) hearsAll(from, to int) {
	c.t.Helper()
	for i := from; i <= to; i++ {
		c.hears(fmt.Sprint(i))
	}
}

func (c *client) reads(kind edge.Kind, into any) {
	c.t.Helper()
	f := c.next()
	if f.Kind != kind {
		c.t.Fatalf("frame %d %q instead of one of kind %d", f.Kind, f.Data, kind)
	}
	if err := json.Unmarshal(f.Data, into); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) welcome() (w edge.Welcome) {
	c.t.Helper()
	c.reads(edge.KindWelcome, &w)
	return w
}

// end is how the gateway closes the connection; what else came is left out.
func (c *client) end() edge.Closed {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.closed == nil {
		c.moved.Wait()
	}
	return *c.closed
}

func (c *client) ends(code edge.Code) {
	c.t.Helper()
	if end := c.end(); end.Code != code {
		c.t.Fatalf("closed with %d %q instead of %d", end.Code, end.Reason, code)
	}
}

func unmarshal(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func itoa(i int) string { return fmt.Sprint(i) }
