package malleetest_test

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
	"github.com/mallee-io/mallee/malleetest/internal/sleeper"
)

func player(i int) string { return fmt.Sprint("player", i) }

// give gives one sword and returns how many there are.
func give(ctx context.Context, c *malleetest.Cluster, via int, key string) (int, error) {
	return game.PlayerOf(c.Node(via), key).Give(ctx, "sword", 1)
}

func TestActorsSpreadOverNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 60 {
			if _, err := give(t.Context(), c, i%3, player(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range c.Size() {
			if active := c.Node(i).Stats().Active; active < 10 {
				t.Errorf("node %d has %d of 61 actors", i, active)
			}
		}
	})
}

func TestActorsOfAKilledNodeMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		if _, err := give(t.Context(), c, 0, "ann"); err != nil {
			t.Fatal(err)
		}
		owner := c.Owner(game.PlayerOf(nil, "ann").ID())
		via := (owner + 1) % 3
		c.Kill(owner)
		killed := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		total, err := give(ctx, c, via, "ann")
		if err != nil || total != 2 {
			t.Fatalf("%d, %v", total, err)
		}
		if took := time.Since(killed); took > malleetest.LeaseTTL+time.Second {
			t.Errorf("it took %v", took)
		}
		c.Restart(owner)
		if total, err := give(t.Context(), c, owner, "ann"); err != nil || total != 3 {
			t.Errorf("from the restarted node: %d, %v", total, err)
		}
	})
}

// A call that was running on a node when it died may have run: the caller is
// told at once, and is not told that a retry is safe.
func TestCallsToAKilledNodeFailAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2, sleeper.SleeperType(sleeper.New))
		s := sleeper.SleeperOf(c.Node(0), "s")
		if err := s.Sleep(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		owner := c.Owner(s.ID())
		failed := make(chan error, 1)
		go func() { failed <- sleeper.SleeperOf(c.Node(1-owner), "s").Sleep(t.Context(), time.Second) }()
		synctest.Wait()
		start := time.Now()
		c.Kill(owner)
		err := <-failed
		if !errors.Is(err, mallee.ErrUnavailable) || mallee.SafeToRetry(err) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// An isolated node cannot know whether its actors live elsewhere now: it ends
// them before they can, and none is ever alive twice.
func TestIsolatedNodeFencesItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		if _, err := give(t.Context(), c, 0, "ann"); err != nil {
			t.Fatal(err)
		}
		owner := c.Owner(game.PlayerOf(nil, "ann").ID())
		via := (owner + 1) % 3
		c.Isolate(owner)
		time.Sleep(malleetest.LeaseTTL)
		synctest.Wait()
		if active := c.Node(owner).Stats().Active; active != 0 {
			t.Errorf("the isolated node has %d activations after its lease", active)
		}
		if total, err := give(t.Context(), c, via, "ann"); err != nil || total != 2 {
			t.Fatalf("%d, %v", total, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := give(short, c, owner, "ann"); !errors.Is(err, mallee.ErrTimeout) || !mallee.SafeToRetry(err) {
			t.Errorf("the isolated node answered %v", err)
		}
		c.Heal()
		time.Sleep(malleetest.LeaseTTL)
		if total, err := give(t.Context(), c, owner, "ann"); err != nil || total != 3 {
			t.Errorf("after Heal: %d, %v", total, err)
		}
	})
}

func TestPartitionedNodesReachOneAnotherAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2, game.Types()...)
		if _, err := give(t.Context(), c, 0, "ann"); err != nil {
			t.Fatal(err)
		}
		owner := c.Owner(game.PlayerOf(nil, "ann").ID())
		c.Partition(owner)
		done := make(chan error, 1)
		go func() {
			_, err := give(t.Context(), c, 1-owner, "ann")
			done <- err
		}()
		time.Sleep(time.Second)
		c.Heal()
		if err := <-done; err != nil {
			t.Errorf("the call did not outlast the partition: %v", err)
		}
	})
}

// A rolling restart loses no call.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		client := c.Client()
		const callers = 8
		stop := make(chan struct{})
		var wg sync.WaitGroup
		given := make([]int, callers)
		for i := range callers {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := game.PlayerOf(client, player(i)).Give(context.Background(), "sword", 1); err != nil {
						t.Errorf("call %d of %s: %v", given[i], player(i), err)
						return
					}
					given[i]++
					time.Sleep(time.Millisecond)
				}
			})
		}
		for i := range c.Size() {
			time.Sleep(time.Second)
			c.Stop(i)
			c.Restart(i)
		}
		time.Sleep(time.Second)
		close(stop)
		wg.Wait()
		for i := range callers {
			total, err := game.PlayerOf(client, player(i)).Give(t.Context(), "sword", 1)
			if err != nil || total != given[i]+1 {
				t.Errorf("%s has %d swords after %d gifts: %v", player(i), total, given[i]+1, err)
			}
		}
	})
}

// One-way calls have no answer that could say where the actor has gone: the
// node that is asked in vain passes them on.
func TestOneWayCallsFollowAnActorThatHasMoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		client := c.Client()
		board := game.LeaderboardOf(client, "world")
		if err := board.Report(t.Context(), "ann", 1); err != nil { // the client knows its node now
			t.Fatal(err)
		}
		owner := c.Owner(board.ID())
		c.Stop(owner)
		c.Restart(owner)
		if _, err := game.LeaderboardOf(c.Node(owner), "world").Top(t.Context(), 1); err != nil { // it lives elsewhere
			t.Fatal(err)
		}
		for i := range 10 {
			if err := board.Report(t.Context(), "bob", i+1); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		top, err := board.Top(t.Context(), 1)
		if err != nil || len(top) != 1 || top[0] != (game.Entry{Player: "bob", Score: 10}) {
			t.Errorf("%v, %v", top, err)
		}
	})
}
