package sidecartest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
)

// Kind says what an Event is.
type Kind string

// Kinds of events of a call.
const (
	In         Kind = "in"          // the sidecar has sent a message
	HalfClosed Kind = "half-closed" // the sidecar has no more messages
	Cancelled  Kind = "cancelled"   // the sidecar does not want the call any more, or its connection is gone
	Out        Kind = "out"         // the user function has sent a message
	Ended      Kind = "ended"       // the user function has ended the call, with Err or well
)

// Event is one thing that has happened in a call.
type Event struct {
	Kind    Kind
	Message proto.Message
	Err     error
	claimed bool
}

// Call is one call of the sidecar to the user function. Its methods expect what
// happens in it, each the next of its kind, and fail the test of Expect.
type Call struct {
	Method string

	t      testing.TB
	rec    *Recorder
	events []Event // guarded by rec.mu
	side   side01
}

// add records an event. A call that has ended has no more of them, and it is
// cancelled only once.
func (c *Call) add(e Event) {
	c.rec.change(func() {
		if c.kept(Ended) || e.Kind == Cancelled && c.kept(Cancelled) {
			return
		}
		c.events = append(c.events, e)
		if spec, ok := e.Message.(*cloudstatepb.EntitySpec); ok {
			c.rec.spec, c.rec.is01 = spec, isDialect01(spec)
		}
	})
}

// kept is has for those who hold the lock.
func (c *Call) kept(k Kind) bool {
	return slices.ContainsFunc(c.events, func(e Event) bool { return e.Kind == k })
}

// message records a copy of a message, which is whole or a frame. Those of
// protocol 0.1 are recorded as what they mean in 0.2.
func (c *Call) message(k Kind, m any) {
	e := Event{Kind: k}
	switch m := m.(type) {
	case proto.Message:
		e.Message = proto.Clone(m)
	case *frame:
		in, out := messages(c.Method)
		if c.Method == CRDT && c.rec.speaks01() {
			in, out = new(v01.CrdtStreamIn), new(v01.CrdtStreamOut)
		}
		if e.Message = in; k == Out {
			e.Message = out
		}
		if e.Message != nil {
			e.Err = proto.Unmarshal(m.bytes, e.Message)
		}
	}
	switch old := e.Message.(type) {
	case *v01.CrdtStreamIn:
		e.Message = c.side.newIn(old)
	case *v01.CrdtStreamOut:
		e.Message = c.side.newOut(old)
	}
	c.add(e)
}

func (c *Call) end(ctx context.Context, err error) {
	if ctx.Err() != nil {
		c.add(Event{Kind: Cancelled, Err: ctx.Err()})
	}
	c.add(Event{Kind: Ended, Err: err})
}

func (c *Call) has(k Kind) bool {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	return c.kept(k)
}

// Events are those until now, claimed or not.
func (c *Call) Events() []Event {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	return slices.Clone(c.events)
}

// next claims the next event of one of the kinds.
func (c *Call) next(kinds ...Kind) Event {
	c.t.Helper()
	var e Event
	ok := c.rec.wait(func() bool {
		i := slices.IndexFunc(c.events, func(e Event) bool { return !e.claimed && slices.Contains(kinds, e.Kind) })
		if i < 0 {
			return false
		}
		c.events[i].claimed = true
		e = c.events[i]
		return true
	})
	if !ok {
		c.t.Fatalf("%s: there was no %q\n%s", c.Method, kinds, c)
	}
	return e
}

// NextIn is the next message of the sidecar.
func (c *Call) NextIn() proto.Message { c.t.Helper(); return c.next(In).Message }

// NextOut is the next message of the user function.
func (c *Call) NextOut() proto.Message { c.t.Helper(); return c.next(Out).Message }

// In expects the next message of the sidecar.
func (c *Call) In(want proto.Message) *Call {
	c.t.Helper()
	c.same(In, c.NextIn(), want)
	return c
}

// Out expects the next message of the user function.
func (c *Call) Out(want proto.Message) *Call {
	c.t.Helper()
	c.same(Out, c.NextOut(), want)
	return c
}

func (c *Call) same(k Kind, got, want proto.Message) {
	c.t.Helper()
	if diff := difference(got, want); diff != "" {
		c.t.Fatalf("%s: %s %s\n%s", c.Method, k, diff, c)
	}
}

// HalfClosed expects that the sidecar says that it has no more messages.
func (c *Call) HalfClosed() *Call {
	c.t.Helper()
	if e := c.next(HalfClosed, Cancelled); e.Kind != HalfClosed {
		c.t.Fatalf("%s: the sidecar cancels it: %v\n%s", c.Method, e.Err, c)
	}
	return c
}

// Cancelled expects that the sidecar lets go of the call.
func (c *Call) Cancelled() *Call { c.t.Helper(); c.next(Cancelled); return c }

// Ended expects that the user function ends the call, with the error.
func (c *Call) Ended() error { c.t.Helper(); return c.next(Ended).Err }

// Closed expects that both sides end the call well: first the sidecar, then the
// user function, and nobody cancels it.
func (c *Call) Closed() {
	c.t.Helper()
	c.HalfClosed()
	c.endsWell()
}

func (c *Call) endsWell() {
	c.t.Helper()
	if err := c.Ended(); err != nil {
		c.t.Fatalf("%s: it ends with %v\n%s", c.Method, err, c)
	}
	if c.has(Cancelled) {
		c.t.Fatalf("%s: it was cancelled\n%s", c.Method, c)
	}
}

// nothingElse expects that all messages until now are claimed.
func (c *Call) nothingElse() {
	c.t.Helper()
	for _, e := range c.Events() {
		if !e.claimed && e.Message != nil {
			c.t.Fatalf("%s: %s was not expected\n%s", c.Method, short(e.Message), c)
		}
	}
}

// String is what has happened in the call, for a person.
func (c *Call) String() string {
	c.rec.mu.Lock()
	defer c.rec.mu.Unlock()
	var b strings.Builder
	c.print(&b)
	return b.String()
}

func (c *Call) print(b *strings.Builder) {
	fmt.Fprintln(b, c.Method)
	for _, e := range c.events {
		fmt.Fprintf(b, "    %s", e.Kind)
		if e.Message != nil {
			fmt.Fprintf(b, " %s", short(e.Message))
		}
		if e.Err != nil {
			fmt.Fprintf(b, ": %v", e.Err)
		}
		fmt.Fprintln(b)
	}
}
