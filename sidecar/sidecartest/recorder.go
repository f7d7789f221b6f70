package sidecartest

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"

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
	is01      bool                     // the replicated entities of spec speak protocol 0.1
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

// speaks01 reports whether the replicated entities speak protocol 0.1. They speak
// 0.2 if the user function was not discovered yet.
func (r *Recorder) speaks01() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.is01
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
