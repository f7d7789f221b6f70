package mallee_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

type counter struct {
	self *mallee.Self
	n    *mallee.State[int]
}

func newCounter(self *mallee.Self) *counter {
	return &counter{self, mallee.NewState[int](self, "n")}
}

func (c *counter) add(ctx context.Context) error {
	c.n.Value++
	return c.n.Save(ctx)
}

// What the caller of a turn whose write failed is told is true: it may repeat
// the call if and only if nothing was done.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	refused, unknown := storage.ErrFull, errors.New("connection lost")
	own := mallee.NewError("probe.own", "an error of the actor's own")
	add := func(ctx context.Context, c *counter) error { return c.add(ctx) }
	call := func(ctx context.Context, c *counter) error {
		return c.self.Invoke(ctx, mallee.ID{Type: "Probe", Key: "other"}, turn(func(context.Context, any) error { return nil }))
	}
	say := func(ctx context.Context, c *counter) error {
		return c.self.Send(ctx, mallee.Text("hello"), mallee.Session{ID: 10_000_000_001, At: 10_000_000_001})
	}
	sequence := func(steps ...func(context.Context, *counter) error) func(context.Context, *counter) error {
		return func(ctx context.Context, c *counter) (err error) {
			for _, step := range steps {
				err = errors.Join(err, step(ctx, c))
			}
			return err
		}
	}
	for name, test := range map[string]struct {
		writes []error
		turn   func(context.Context, *counter) error
		want   *mallee.Error
		safe   bool
	}{
		"refused":                    {[]error{refused}, add, mallee.ErrStorage, true},
		"conflict":                   {[]error{&storage.ConflictError{}}, add, mallee.ErrConflict, true},
		"fenced":                     {[]error{&storage.FencedError{}}, add, mallee.ErrFenced, true},
		"too large":                  {[]error{storage.ErrTooLarge}, add, mallee.ErrInvalid, true},
		"unknown":                    {[]error{unknown}, add, mallee.ErrStorage, false},
		"unavailable":                {[]error{storage.ErrUnavailable}, add, mallee.ErrStorage, false},
		"deadline":                   {[]error{context.DeadlineExceeded}, add, mallee.ErrTimeout, false},
		"refused after a message":    {[]error{refused}, sequence(say, add), mallee.ErrStorage, false},
		"refused after a write":      {[]error{nil, refused}, sequence(add, add), mallee.ErrStorage, false},
		"refused before a write":     {[]error{refused, nil}, sequence(add, add), mallee.ErrStorage, false},
		"refused after a lost write": {[]error{unknown, refused}, sequence(add, add), mallee.ErrStorage, false},
		"refused twice":              {[]error{refused, refused}, sequence(add, add), mallee.ErrStorage, true},
		"refused after a call":       {[]error{refused}, sequence(call, add), mallee.ErrStorage, false},
		"refused before a call":      {[]error{refused}, sequence(add, call), mallee.ErrStorage, false},
		"refused, told in own words": {[]error{refused}, func(ctx context.Context, c *counter) error { _ = c.add(ctx); return own }, own, true},
		"nothing refused, own error": {nil, func(ctx context.Context, c *counter) error { return own }, own, false},
		"with a context of its own": {[]error{nil, refused}, func(_ context.Context, c *counter) error {
			_ = c.add(context.Background())
			return c.add(context.Background())
		}, mallee.ErrStorage, false},
		"refused, such a context too": {[]error{refused}, func(_ context.Context, c *counter) error { return c.add(context.Background()) }, mallee.ErrStorage, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &failing{Store: storage.Memory()}
			run := probe(t, store, newCounter)
			if err := run(add); err != nil {
				t.Fatal(err)
			}
			store.next = test.writes
			err := run(test.turn)
			if !errors.Is(err, test.want) || mallee.SafeToRetry(err) != test.safe {
				t.Errorf("got %v, safe to retry: %t", err, mallee.SafeToRetry(err))
			}
			if test.writes == nil {
				return
			}
			row, err := store.Get(t.Context(), storage.Key{Table: "state.Probe", Key1: "a", Key2: "n"})
			if err != nil {
				t.Fatal(err)
			}
			if err := run(func(_ context.Context, c *counter) error {
				if fmt.Sprint(c.n.Value) != string(row.Value) {
					t.Errorf("the actor goes on with %d, the store has %s", c.n.Value, row.Value)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
}
