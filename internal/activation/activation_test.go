package activation_test

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/storage"
)

// call is a call whose code stands in the test. It counts what the runtime
// asks of it.
type call struct {
	method string
	flags  mallee.CallFlags
	run    func(ctx context.Context, a *actor) error
}

func (c *call) Interface() string       { return "Actor" }
func (c *call) Method() string          { return c.method }
func (c *call) Flags() mallee.CallFlags { return c.flags }
func (c *call) Run(ctx context.Context, target any) error {
	return c.run(ctx, target.(*actor))
}
func (c *call) Args() any                              { return nil }
func (c *call) Results() any                           { return nil }
func (c *call) CopyArgs() error                        { return nil }
func (c *call) CopyResults() error                     { return nil }
func (c *call) AppendArgs(b []byte) ([]byte, error)    { return b, nil }
func (c *call) DecodeArgs([]byte) error                { return nil }
func (c *call) AppendResults(b []byte) ([]byte, error) { return append(b, "results"...), nil }
func (c *call) DecodeResults([]byte) error             { return nil }

// actor has a counter that only its turns touch: the race detector sees two
// goroutines that do at once.
type actor struct {
	self         *mallee.Self
	touched      int
	touch        func(ctx context.Context)
	onActivate   func(ctx context.Context) error
	onDeactivate func(ctx context.Context, reason mallee.Reason) error
}

func (a *actor) OnActivate(ctx context.Context) error {
	if a.onActivate == nil {
		return nil
	}
	return a.onActivate(ctx)
}

func (a *actor) OnDeactivate(ctx context.Context, reason mallee.Reason) error {
	if a.onDeactivate == nil {
		return nil
	}
	return a.onDeactivate(ctx, reason)
}

// world is a runtime whose actors call one another without a network. It
// implements mallee.Caller as a node does.
type world struct {
	t        testing.TB
	runtime  *activation.Runtime
	epoch    atomic.Uint64
	released atomic.Int64
	fenced   atomic.Bool // the lease has ended
}

// quiet is a log for tests whose actors fail on purpose.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newWorld(t testing.TB, create func(self *mallee.Self) *actor, options ...mallee.TypeOption) *world {
	t.Helper()
	typ := mallee.NewType(mallee.Interface{Name: "Actor"}, func(self *mallee.Self) any {
		a := create(self)
		a.self = self
		return a
	}, options...)
	if err := typ.Validate(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.runtime = activation.New(activation.Config{
		Node:        "n1",
		CallTimeout: 5 * time.Second,
		Caller:      w,
		Store:       storage.Memory(),
		Log:         quiet(),
		Release:     func(mallee.ID, uint64) { w.released.Add(1) },
		Owns:        func() bool { return !w.fenced.Load() },
		Carried:     func(mallee.ID, uint64) ([]byte, bool) { return nil, false },
		Redeliver: func(id mallee.ID, calls []mallee.Call) {
			go func() {
				for _, c := range calls {
					if err := w.Invoke(context.Background(), id, c); err != nil {
						w.runtime.Lost(id, c, err)
					}
				}
			}()
		},
	}, []mallee.Type{typ})
	return w
}

func plain(*mallee.Self) *actor { return &actor{} }

func (w *world) Invoke(ctx context.Context, id mallee.ID, c mallee.Call) error {
	parent := activation.From(ctx)
	if parent != nil && c.Flags()&mallee.OneWay == 0 {
		parent.Lend(id, c.Method())
		defer parent.Reclaim()
	}
	if err := ctx.Err(); err != nil {
		return mallee.AsError(err)
	}
	q := activation.Request{ID: id, Call: c, Parent: parent}
	for {
		table := w.runtime.Table("Actor")
		q.Ended = table.Ended(id.Key)
		q.Epoch = w.epoch.Add(1)
		err := table.Invoke(ctx, &q)
		if err != activation.ErrGone {
			return err
		}
	}
}

// do calls the actor under key with a function as the method's code.
func (w *world) do(ctx context.Context, key string, run func(ctx context.Context, a *actor) error) error {
	return w.Invoke(ctx, id(key), &call{method: "Do", run: run})
}

func (w *world) as(ctx context.Context, key, method string, flags mallee.CallFlags, run func(ctx context.Context, a *actor) error) error {
	return w.Invoke(ctx, id(key), &call{method: method, flags: flags, run: run})
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.runtime.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

func id(key string) mallee.ID { return mallee.ID{Type: "Actor", Key: key} }

// touch is a method that changes the actor.
func touch(_ context.Context, a *actor) error {
	a.touched++
	return nil
}

func wantCode(t *testing.T, err error, sentinel *mallee.Error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("error %v, want code %s", err, sentinel.Code)
	}
}
