package mallee_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
)

// probe starts a node whose type Probe makes actors of A, and returns a
// function that runs code as a turn of Probe/a.
func probe[A any](t *testing.T, store storage.Store, create func(*mallee.Self) A, options ...mallee.TypeOption) func(func(ctx context.Context, actor A) error) error {
	t.Helper()
	run, stop := startProbe(t, store, create, options...)
	t.Cleanup(stop)
	return run
}

// startProbe is probe for tests that end the node themselves.
func startProbe[A any](t *testing.T, store storage.Store, create func(*mallee.Self) A, options ...mallee.TypeOption) (run func(func(ctx context.Context, actor A) error) error, stop func()) {
	t.Helper()
	typ := mallee.NewType(mallee.Interface{Name: "Probe"}, func(self *mallee.Self) any { return create(self) }, options...)
	n, err := node.Start(t.Context(), node.Config{Types: []mallee.Type{typ}, Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	run = func(code func(context.Context, A) error) error {
		return n.Invoke(t.Context(), mallee.ID{Type: "Probe", Key: "a"}, turn(func(ctx context.Context, actor any) error {
			return code(ctx, actor.(A))
		}))
	}
	return run, func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// turn is a call that runs on this node only.
type turn func(ctx context.Context, actor any) error

func (turn) Interface() string                            { return "Probe" }
func (turn) Method() string                               { return "Run" }
func (turn) Flags() mallee.CallFlags                      { return 0 }
func (turn) Args() any                                    { return &struct{}{} }
func (turn) Results() any                                 { return &struct{}{} }
func (turn) CopyArgs() error                              { return nil }
func (turn) CopyResults() error                           { return nil }
func (turn) AppendArgs(b []byte) ([]byte, error)          { return b, nil }
func (turn) DecodeArgs([]byte) error                      { return nil }
func (turn) AppendResults(b []byte) ([]byte, error)       { return b, nil }
func (turn) DecodeResults([]byte) error                   { return nil }
func (run turn) Run(ctx context.Context, actor any) error { return run(ctx, actor) }

// failing is a store whose next writes fail.
type failing struct {
	storage.Store
	next []error // one for each write to come
}

func (f *failing) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if len(f.next) > 0 {
		err := f.next[0]
		if f.next = f.next[1:]; err != nil {
			return nil, err
		}
	}
	return f.Store.Apply(ctx, epoch, ops...)
}
