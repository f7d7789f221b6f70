package sidecartest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// Recorder keeps what goes between a sidecar and its user function: the calls,
// and in each of them the messages, in their order. A test claims them one by
// one, so that nothing can happen that it has not expected. It is safe for
// concurrent use.
type Recorder struct {
	mu        sync.Mutex
	unclaimed []*Call
	spec      *cloudstatepb.EntitySpec // the last one; nil before the first
	changed   chan struct{}            // closed at the next change
}

func newRecorder() *Recorder { return &Recorder{changed: make(chan struct{})} }

// change does what changes the record, and wakes those who wait for it.
func (r *Recorder) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
	close(r.changed)
	r.changed = make(chan struct{})
}

// await returns when found does, or ctx ends.
func (r *Recorder) await(ctx context.Context, found func() bool) error {
	for {
		r.mu.Lock()
		ok, changed := found(), r.changed
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait is await within Patience.
func (r *Recorder) wait(found func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return r.await(ctx, found) == nil
}

// Expect claims the next call of a method, and waits for it.
func (r *Recorder) Expect(t testing.TB, method string) *Call {
	t.Helper()
	var c *Call
	if !r.wait(func() bool { c = r.claim(method); return c != nil }) {
		t.Fatalf("there is no call of %s\n%s", method, r)
	}
	c.t = t
	return c
}

func (r *Recorder) claim(method string) *Call {
	i := slices.IndexFunc(r.unclaimed, func(c *Call) bool { return c.Method == method })
	if i < 0 {
		return nil
	}
	c := r.unclaimed[i]
	r.unclaimed = slices.Delete(r.unclaimed, i, i+1)
	return c
}

// ExpectReport claims the next error that the sidecar reports to the developer.
func (r *Recorder) ExpectReport(t testing.TB) string {
	t.Helper()
	return r.Expect(t, ReportError).NextIn().(*cloudstatepb.UserFunctionError).GetMessage()
}

// ExpectNothing fails the test if there are calls that it has not claimed. What
// is on its way it does not see: it is for the end of a test, after what the last
// call has led to.
func (r *Recorder) ExpectNothing(t testing.TB) {
	t.Helper()
	r.mu.Lock()
	n := len(r.unclaimed)
	r.mu.Unlock()
	if n > 0 {
		t.Errorf("%d calls were not expected\n%s", n, r)
	}
}

// Spec is what the user function has declared the last time. It waits for the
// first.
func (r *Recorder) Spec(t testing.TB) *cloudstatepb.EntitySpec {
	t.Helper()
	var spec *cloudstatepb.EntitySpec
	if !r.wait(func() bool { spec = r.spec; return spec != nil }) {
		t.Fatalf("the user function was not discovered\n%s", r)
	}
	return spec
}

// String is what has not been claimed, for a person.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, c := range r.unclaimed {
		c.print(&b)
	}
	return b.String()
}

// open begins to record a call.
func (r *Recorder) open(method string) *Call {
	c := &Call{Method: method, rec: r}
	r.change(func() { r.unclaimed = append(r.unclaimed, c) })
	return c
}

// unary records the calls of a server that have no stream.
func (r *Recorder) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	c := r.open(info.FullMethod)
	c.message(In, req)
	c.add(Event{Kind: HalfClosed})
	resp, err := handle(ctx, req)
	if err == nil {
		c.message(Out, resp)
	}
	c.end(ctx, err)
	return resp, err
}

// stream records the other calls.
func (r *Recorder) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	c := r.open(info.FullMethod)
	err := handle(srv, &recorded{s, c})
	c.end(s.Context(), err)
	return err
}

// recorded is a stream whose messages are recorded as they pass.
type recorded struct {
	grpc.ServerStream
	call *Call
}

func (s *recorded) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	switch err {
	case nil:
		s.call.message(In, m)
	case io.EOF:
		s.call.add(Event{Kind: HalfClosed})
	default:
		s.call.add(Event{Kind: Cancelled, Err: err})
	}
	return err
}

// SendMsg records a message before it is sent, since the sidecar may act on it
// before this returns.
func (s *recorded) SendMsg(m any) error {
	s.call.message(Out, m)
	return s.ServerStream.SendMsg(m)
}

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
}

// add records an event. A call that has ended has no more of them, and it is
// cancelled only once.
func (c *Call) add(e Event) {
	if c.has(Ended) || e.Kind == Cancelled && c.has(Cancelled) {
		return
	}
	c.rec.change(func() {
		c.events = append(c.events, e)
		if spec, ok := e.Message.(*cloudstatepb.EntitySpec); ok {
			c.rec.spec = spec
		}
	})
}

// message records a copy of a message, which is whole or a frame.
func (c *Call) message(k Kind, m any) {
	e := Event{Kind: k}
	switch m := m.(type) {
	case proto.Message:
		e.Message = proto.Clone(m)
	case *frame:
		in, out := messages(c.Method)
		if e.Message = in; k == Out {
			e.Message = out
		}
		if e.Message != nil {
			e.Err = proto.Unmarshal(m.bytes, e.Message)
		}
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
	return slices.ContainsFunc(c.events, func(e Event) bool { return e.Kind == k })
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
