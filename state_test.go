package mallee_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/storage"
)

var bagOfAnn = storage.Key{Table: "state.Player", Key1: "ann", Key2: "bag"}

// An unreadable value is never taken for an empty one.
func TestStateThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 1, game.Types()...)
		if _, err := c.Store().Apply(t.Context(), 0, storage.Put(bagOfAnn, []byte(`{"Items":[1]}`), 0)); err != nil {
			t.Fatal(err)
		}
		_, err := game.PlayerOf(c.Node(0), "ann").Bag(t.Context())
		if !errors.Is(err, mallee.ErrActivation) || !strings.Contains(err.Error(), "decode state bag of Player/ann") || !strings.Contains(err.Error(), "Items") {
			t.Errorf("got %v", err)
		}
		row, err := c.Store().Get(t.Context(), bagOfAnn)
		if err != nil || string(row.Value) != `{"Items":[1]}` {
			t.Errorf("the row was touched: %s, %v", row.Value, err)
		}
	})
}

// A writer that has lost its actor, and does not know it, cannot harm the state.
func TestStateRefusesAStaleWriter(t *testing.T) {
	t.Parallel()
	for want, change := range map[*mallee.Error]func(ctx context.Context, s storage.Store, row storage.Row) error{
		mallee.ErrConflict: func(ctx context.Context, s storage.Store, row storage.Row) error {
			_, err := s.Apply(ctx, row.Epoch, storage.Put(row.Key, []byte(`{"Items":{"sword":9}}`), row.Version))
			return err
		},
		mallee.ErrFenced: func(ctx context.Context, s storage.Store, row storage.Row) error {
			_, err := s.Apply(ctx, row.Epoch+100, storage.Put(row.Key, []byte(`{"Items":{"sword":9}}`), row.Version))
			return err
		},
	} {
		t.Run(string(want.Code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				c := malleetest.Start(t, 1, game.Types()...)
				ann := game.PlayerOf(c.Node(0), "ann")
				if _, err := ann.Give(ctx, "sword", 1); err != nil {
					t.Fatal(err)
				}
				row, err := c.Store().Get(ctx, bagOfAnn)
				if err != nil {
					t.Fatal(err)
				}
				if err := change(ctx, c.Store(), row); err != nil {
					t.Fatal(err)
				}
				if _, err := ann.Give(ctx, "sword", 1); !errors.Is(err, want) || !mallee.SafeToRetry(err) {
					t.Errorf("got %v", err)
				}
				bag, err := ann.Bag(ctx) // a fresh activation has read what is there
				if err != nil || bag["sword"] != 9 {
					t.Errorf("%v, %v", bag, err)
				}
			})
		})
	}
}
