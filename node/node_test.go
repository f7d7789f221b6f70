package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

func TestStartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	player := game.PlayerType(game.NewPlayer)
	taken := placement.Solo(storage.Memory())
	n, err := node.Start(t.Context(), node.Config{Placement: taken})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	for want, config := range map[string]node.Config{
		"actor type Player is given twice": {Types: []mallee.Type{player, player}},
		"call timeout -1s is negative":     {CallTimeout: -time.Second},
		"actor type has no name":           {Types: []mallee.Type{{}}},
		"is for one node, and node a has joined": {Placement: func() placement.Driver {
			d := placement.Solo(storage.Memory())
			first, err := node.Start(t.Context(), node.Config{Name: "a", Placement: d})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stop(t, first) })
			return d
		}()},
	} {
		if _, err := node.Start(t.Context(), config); !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func stop(t *testing.T, n *node.Node) {
	t.Helper()
	if err := n.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// What an earlier process has written does not fence a later one.
func TestStartAnewOnTheSameStore(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	for total := 1; total <= 3; total++ {
		n, err := node.Start(t.Context(), node.Config{Types: game.Types(), Store: store})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 * (4 - total) { // so that the first process sees the highest number of activations
			if _, err := game.PlayerOf(n, "bob").Give(t.Context(), "coin", 1); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := game.PlayerOf(n, "ann").Give(t.Context(), "sword", 1); err != nil || got != total {
			t.Errorf("ann has %d swords, %v; want %d", got, err, total)
		}
		stop(t, n)
	}
}

func TestStartNeedsAStoreThatWorks(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Start(t.Context(), node.Config{Store: store}); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	n, err := node.Start(t.Context(), node.Config{Types: game.Types()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := game.PlayerOf(n, "ann").Give(t.Context(), "sword", 1); err != nil {
		t.Fatal(err)
	}
	stop(t, n)
	stop(t, n)
	if s := n.Stats(); s.Active != 0 || s.Activations != 2 || s.LostOneWays != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := game.PlayerOf(n, "ann").Bag(t.Context()); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("after Stop: %v", err)
	}
}

// A node without types is a client; alone it has nobody to call.
func TestNodeWithoutTypes(t *testing.T) {
	t.Parallel()
	n, err := node.Start(t.Context(), node.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	_, err = game.PlayerOf(n, "ann").Bag(t.Context())
	if !errors.Is(err, mallee.ErrNotFound) || !strings.Contains(err.Error(), "give it to node.Config.Types") {
		t.Errorf("got %v", err)
	}
}

// Two types may serve one interface; then its name does not say which is meant.
func TestAmbiguousInterface(t *testing.T) {
	t.Parallel()
	bot := game.PlayerType(game.NewPlayer, mallee.Serves(game.ParticipantInterface()))
	bot.Name = "Bot"
	n, err := node.Start(t.Context(), node.Config{Types: append(game.Types(), bot)})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	_, err = game.ParticipantOf(n, "x").Nickname(t.Context())
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "Bot") || !strings.Contains(err.Error(), "ParticipantAt") {
		t.Errorf("got %v", err)
	}
	if _, err := game.ParticipantAt(n, mallee.ID{Type: "Bot", Key: "x"}).Nickname(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCancelledBeforeTheCall(t *testing.T) {
	t.Parallel()
	n, err := node.Start(t.Context(), node.Config{Types: game.Types()})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := game.PlayerOf(n, "ann").Bag(ctx); !errors.Is(err, context.Canceled) || !mallee.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
}
