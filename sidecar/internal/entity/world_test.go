package entity_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// The services of these tests: one of each kind.
const (
	log  = "test.Log"
	cell = "test.Cell"
)

const idle = 10 * time.Second

func service(name string, kind spec.Kind) *spec.Service {
	s := &spec.Service{Name: name, Kind: kind, PersistenceID: "of-" + name, IdleTimeout: idle}
	message := (&wrapperspb.StringValue{}).ProtoReflect().Descriptor()
	s.Methods = []*spec.Method{{Service: s, Name: "Run", Input: message, Output: message}}
	return s
}

// world is a cluster with the entities of one user function.
type world struct {
	*malleetest.Cluster
	t        testing.TB
	function *function
	router   *router
	services map[string]*spec.Service
	figures  *entity.Figures
}

func newWorld(t testing.TB, runner malleetest.Runner, change func(*entity.Config)) *world {
	t.Helper()
	w := &world{t: t, function: startFunction(t), router: &router{}, figures: &entity.Figures{}}
	t.Cleanup(w.function.close)
	w.services = map[string]*spec.Service{log: service(log, spec.EventSourced), cell: service(cell, spec.Value)}
	c := entity.Config{Function: w.function.conn, Router: w.router, Figures: w.figures, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&c)
	}
	w.Cluster = runner.Start(t, entity.Type(w.services[log], c), entity.Type(w.services[cell], c))
	return w
}

// run runs a script at an entity and returns its list.
func (w *world) run(service, id string, s script) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	return w.runWithin(ctx, service, id, s)
}

func (w *world) runWithin(ctx context.Context, service, id string, s script) (string, error) {
	c := &command.Command{On: w.services[service].Methods[0], Payload: command.Payload{Value: []byte(s.String())}}
	c.Payload.TypeURL = c.On.InputURL()
	err := w.Node(0).Invoke(ctx, mallee.ID{Type: service, Key: id}, c)
	if err != nil || c.Reply == nil {
		return "", err
	}
	return string(c.Reply.Payload.Value), nil
}

// gives runs a script that must succeed.
func (w *world) gives(service, id string, s script, want string) {
	w.t.Helper()
	if got, err := w.run(service, id, s); err != nil || got != want {
		w.t.Fatalf("%s %s %s: got %q, %v, want %q", service, id, s, got, err, want)
	}
}

// fails runs a script that must fail, with the code unknown and exactly a text.
func (w *world) fails(service, id string, s script, want string) {
	w.t.Helper()
	_, err := w.run(service, id, s)
	if e := mallee.AsError(err); e == nil || e.Code != mallee.CodeUnknown || e.Message != want {
		w.t.Fatalf("%s %s %s: got %v, want %q", service, id, s, err, want)
	}
}

// saw compares what has come over the streams of the user function.
func (w *world) saw(want ...string) {
	w.t.Helper()
	got := w.function.seen()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i] == want[i]
	}
	if !same {
		w.t.Fatalf("the function has seen\n%q\nwant\n%q", got, want)
	}
}

// router stands for what carries out forwards and effects.
type router struct {
	mu      sync.Mutex
	arrived []string                                   // the names of effects and forwards
	ids     []string                                   // theirs
	does    func(ctx context.Context, to string) error // nil: nothing
}

func (r *router) arrive(ctx context.Context, to string, m *cloudstatepb.Metadata) error {
	r.mu.Lock()
	r.arrived = append(r.arrived, to)
	for _, e := range m.GetEntries() {
		if e.Key == "mallee-id" {
			r.ids = append(r.ids, e.GetStringValue())
		}
	}
	does := r.does
	r.mu.Unlock()
	if does == nil {
		return nil
	}
	return does(ctx, to)
}

func (r *router) Effect(ctx context.Context, _ mallee.Caller, e *cloudstatepb.SideEffect, _ *spec.Method, _ []command.Step) error {
	return r.arrive(ctx, e.CommandName, e.Metadata)
}

func (r *router) Forward(ctx context.Context, _ mallee.Caller, f *cloudstatepb.Forward, _ *spec.Method, _ []command.Step) (*command.Reply, error) {
	if err := r.arrive(ctx, f.CommandName, f.Metadata); err != nil {
		return nil, err
	}
	return &command.Reply{Payload: command.Payload{TypeURL: f.Payload.TypeUrl, Value: []byte("forwarded to " + f.CommandName)}}, nil
}

func (r *router) Reply(reply *cloudstatepb.Reply, _ *spec.Method) *command.Reply {
	return &command.Reply{Payload: command.Payload{TypeURL: reply.Payload.GetTypeUrl(), Value: reply.Payload.GetValue()}}
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}
