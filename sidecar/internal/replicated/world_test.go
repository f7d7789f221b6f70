package replicated_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

const idle = 10 * time.Second

// world is a server on the first of two nodes, its user function, and callers of
// one entity.
type world struct {
	t        *testing.T
	function *function
	cluster  *cluster
	here     *copies
	there    *copies
	server   *replicated.Server
	service  *spec.Service
	name     mallee.ID

	mu      sync.Mutex
	reports []string
}

// inWorld runs a test in fake time, in which nothing may be left behind.
func inWorld(t *testing.T, body func(w *world), change ...func(*replicated.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		body(w)
		w.close()
	})
}

func newWorld(t *testing.T, change ...func(*replicated.Config)) *world {
	message := (&wrapperspb.StringValue{}).ProtoReflect().Descriptor()
	s := &spec.Service{Name: "test.Entity", Kind: spec.Replicated, PersistenceID: "entities", IdleTimeout: idle}
	s.Methods = []*spec.Method{
		{Service: s, Name: "Do", Input: message, Output: message},
		{Service: s, Name: "Watch", Input: message, Output: message, ServerStreams: true},
	}
	w := &world{t: t, function: &function{ends: true}, cluster: newCluster(2), service: s, name: replicated.ID(s, "it")}
	w.here, w.there = w.cluster.nodes[0], w.cluster.nodes[1]
	c := replicated.Config{
		Model: &spec.Model{Services: []*spec.Service{s}}, Function: w.function, Replicas: w.here, Log: slog.New(slog.DiscardHandler),
		Report: func(text string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, text)
		},
	}
	for _, f := range change {
		f(&c)
	}
	w.server = replicated.New(c)
	return w
}

func (w *world) close() {
	w.t.Helper()
	w.server.Drain()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	if err := w.server.Close(ctx); err != nil {
		w.t.Error(err)
	}
}

// caller is one call and what it gets.
type caller struct {
	*replicated.Call
	leave context.CancelFunc

	mu  sync.Mutex
	got []string
}

// do calls the unary method, watch the streamed one.
func (w *world) do(payload string) *caller    { return w.call(0, payload) }
func (w *world) watch(payload string) *caller { return w.call(1, payload) }

func (w *world) call(method int, payload string) *caller { return w.callOf("it", method, payload) }

func (w *world) callOf(id string, method int, payload string) *caller {
	on := w.service.Methods[method]
	ctx, leave := context.WithCancel(context.Background())
	c := &caller{leave: leave}
	var err error
	c.Call, err = w.server.Open(&command.Command{On: on, Payload: command.Payload{TypeURL: on.InputURL(), Value: []byte(payload)}}, id)
	if err != nil {
		c.note("refused: " + mallee.AsError(err).Message)
		return c
	}
	go c.receive(ctx)
	return c
}

// leaves lets a caller go.
func (w *world) leaves(c *caller) {
	c.leave()
	synctest.Wait()
}

// receive behaves as a router does.
func (c *caller) receive(ctx context.Context) {
	for {
		a, err := c.Recv(ctx)
		switch {
		case err == nil:
			c.note(answerText(a))
			continue
		case err == io.EOF:
			c.note("end")
		case errors.Is(err, replicated.ErrCompleted):
			c.note("completed")
		case ctx.Err() != nil:
			c.note("left")
		default:
			c.note("failed: " + mallee.AsError(err).Message)
		}
		if !c.Leave() {
			return
		}
		ctx = context.Background()
	}
}

func answerText(a *replicated.Answer) string {
	var all []string
	for _, e := range a.Effects {
		all = append(all, "effect "+e.CommandName)
	}
	switch {
	case a.Action.GetReply() != nil:
		all = append(all, string(a.Action.GetReply().Payload.Value))
	case a.Action.GetFailure() != nil:
		all = append(all, "failure "+a.Action.GetFailure().Description)
	case a.Action.GetForward() != nil:
		all = append(all, "forward "+a.Action.GetForward().CommandName)
	default:
		all = append(all, "nothing")
	}
	return strings.Join(all, ", ")
}

func (c *caller) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, what)
}

// takes what it has got since the last time.
func (c *caller) takes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// got compares what a caller has got.
func (w *world) got(c *caller, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := c.takes(); !slices.Equal(got, want) {
		w.t.Errorf("the caller has got %q, want %q", got, want)
	}
}

// hears compares what has come over the last stream.
func (w *world) hears(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.function.mu.Lock()
	n := len(w.function.streams)
	w.function.mu.Unlock()
	w.hearsOn(n, want...)
}

func (w *world) hearsOn(n int, want ...string) {
	w.t.Helper()
	synctest.Wait()
	r := w.function.stream(n)
	if r == nil {
		if len(want) > 0 {
			w.t.Errorf("there is no stream %d", n)
		}
		return
	}
	if got := r.takes(); !slices.Equal(got, want) {
		w.t.Errorf("the user function has heard on stream %d\n%q\nwant\n%q", n, got, want)
	}
}

// streams compares how many streams there were.
func (w *world) streams(want int) {
	w.t.Helper()
	synctest.Wait()
	w.function.mu.Lock()
	defer w.function.mu.Unlock()
	if got := len(w.function.streams); got != want {
		w.t.Errorf("there were %d streams, want %d", got, want)
	}
}

// says makes the user function say something on its last stream: messages, or an
// error that ends it.
func (w *world) says(all ...any) {
	w.t.Helper()
	synctest.Wait()
	w.function.mu.Lock()
	r := w.function.streams[len(w.function.streams)-1]
	w.function.mu.Unlock()
	for _, said := range all {
		r.said <- said
	}
	synctest.Wait()
}

// elsewhere changes the value on the other node, and lets this one hear of it.
func (w *world) elsewhere(d *crdt.Delta) {
	w.t.Helper()
	if err := w.there.Replica(w.name).Change(d); err != nil {
		w.t.Fatal(err)
	}
	w.here.catchUp()
}

// reported compares what the developer was told, by parts of it.
func (w *world) reported(want ...string) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	same := len(w.reports) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = strings.Contains(w.reports[i], want[i])
	}
	if !same {
		w.t.Errorf("the developer was told %q, want %q", w.reports, want)
	}
	w.reports = nil
}

// has compares the total of the counter here.
func (w *world) has(want int64) {
	w.t.Helper()
	if got := w.here.view(w.name); got == nil || got.Count != want {
		w.t.Errorf("the node has %+v, want %d", got, want)
	}
}
