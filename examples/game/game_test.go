package game_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
)

func TestBag(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ctx := t.Context()
		ann := game.PlayerOf(c.Node(0), "ann")
		if total, err := ann.Give(ctx, "sword", 2); err != nil || total != 2 {
			t.Fatalf("%d, %v", total, err)
		}
		if _, err := ann.Give(ctx, "sword", -1); !errors.Is(err, game.ErrBadAmount) {
			t.Errorf("got %v", err)
		}
		bag, err := ann.Bag(ctx)
		if err != nil || bag["sword"] != 2 {
			t.Fatalf("%v, %v", bag, err)
		}
		bag["sword"] = 100 // ours: the actor's own is not touched
		if again, _ := ann.Bag(ctx); again["sword"] != 2 {
			t.Errorf("the caller changed the actor's map: %v", again)
		}
		synctest.Wait()
		top, err := game.LeaderboardOf(c.Node(0), "world").Top(ctx, 10)
		if err != nil || len(top) != 1 || top[0] != (game.Entry{Player: "ann", Score: 2}) {
			t.Errorf("%v, %v", top, err)
		}
	})
}

func TestBagSurvivesItsActivation(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ann := game.PlayerOf(c.Node(0), "ann")
		if _, err := ann.Give(t.Context(), "sword", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * mallee.DefaultIdleTimeout)
		if active := c.Node(0).Stats().Active; active != 0 {
			t.Errorf("%d actors are still active", active)
		}
		if total, err := ann.Give(t.Context(), "sword", 1); err != nil || total != 2 {
			t.Errorf("%d, %v", total, err)
		}
	})
}

func TestRoomCallsBack(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ctx := t.Context()
		names := []string{"ann", "bob", "cem"}
		for i, name := range names {
			if others, err := game.PlayerOf(c.Node(0), name).Enter(ctx, "hall"); err != nil || others != i {
				t.Fatalf("%d others, %v", others, err)
			}
		}
		var wg sync.WaitGroup
		for _, name := range names { // all at once: each chat calls its speaker back
			wg.Go(func() {
				line, err := game.PlayerOf(c.Node(0), name).Chat(ctx, "hi")
				if want := name + " (0 items): hi"; err != nil || line != want {
					t.Errorf("%q, %v", line, err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		for _, name := range names {
			p, err := game.PlayerOf(c.Node(0), name).Presence(ctx)
			if err != nil || p.Heard != 2 || p.Room != "hall" {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}

func TestPresenceTimer(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ann := game.PlayerOf(c.Node(0), "ann")
		if _, err := ann.Presence(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if p, err := ann.Presence(t.Context()); err != nil || p.Online != time.Minute {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// A reference of any interface of an actor reaches the same activation.
func TestPlayerIsAParticipantToo(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		ctx := t.Context()
		if _, err := game.PlayerOf(c.Node(0), "ann").Give(ctx, "sword", 1); err != nil {
			t.Fatal(err)
		}
		for i := range c.Size() {
			name, err := game.ParticipantOf(c.Node(i), "ann").Nickname(ctx)
			if err != nil || name != "ann (1 items)" {
				t.Errorf("%q, %v", name, err)
			}
		}
	})
}

func TestPlayerWithoutRoom(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		_, err := game.PlayerOf(c.Node(0), "ann").Chat(t.Context(), "hi")
		if !errors.Is(err, game.ErrNoRoom) {
			t.Errorf("got %v", err)
		}
	})
}

func ExamplePlayerOf() {
	// c is a node or, inside of an actor, its mallee.Self.
	show := func(ctx context.Context, c mallee.Caller) error {
		total, err := game.PlayerOf(c, "1001").Give(ctx, "sword", 1)
		fmt.Println(total)
		return err
	}
	_ = show
}
