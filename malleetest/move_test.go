package malleetest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/malleetest/internal/tally"
	"github.com/mallee-io/mallee/node"
)

func tallies() mallee.Type { return tally.TallyType(tally.New) }

func TestMigrate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, tallies())
		actor := tally.TallyOf(c.Node(0), "x")
		for n := 1; n <= 9; n++ {
			if err := actor.Note(t.Context(), "me", n); err != nil {
				t.Fatal(err)
			}
			if added, noted, err := actor.Add(t.Context(), "me"); err != nil || added != n || noted != n {
				t.Fatalf("after %d moves: %d, %d, %v", n-1, added, noted, err)
			}
			c.Migrate(actor.ID(), (c.Owner(actor.ID())+1)%3)
			synctest.Wait()
			if active := c.Node(c.Owner(actor.ID())).Stats().Active; active != 1 {
				t.Fatalf("the owner has %d activations", active)
			}
		}
		if moves, err := actor.Moves(t.Context()); err != nil || moves != 9 {
			t.Errorf("%d moves, %v", moves, err)
		}
	})
}

// callers call a few actors without a pause and look whether each call counts
// once and in its order. On a node that hosts actors a one-way call can be
// overtaken when its actor comes to that node, so those make none.
type callers struct {
	t       *testing.T
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func startCallers(t *testing.T, actors int, via ...*node.Node) *callers {
	c := &callers{t: t}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for i, n := range via {
		for k := range actors {
			c.running.Go(func() { c.call(tally.TallyOf(n, fmt.Sprint(k)), fmt.Sprint(i), len(n.Types()) == 0) })
		}
	}
	t.Cleanup(c.end)
	return c
}

func (c *callers) call(actor tally.TallyRef, name string, notes bool) {
	for n := 1; c.ctx.Err() == nil; n++ {
		want := 0
		if notes {
			want = n
			if err := actor.Note(context.Background(), name, n); err != nil {
				c.t.Errorf("%s: note %d of %s: %v", actor.ID(), n, name, err)
				return
			}
		}
		added, noted, err := actor.Add(context.Background(), name)
		if err != nil || added != n || noted != want {
			c.t.Errorf("%s: call %d of %s: added %d, noted %d, %v", actor.ID(), n, name, added, noted, err)
			c.stop()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (c *callers) end() {
	c.stop()
	c.running.Wait()
}

// Twenty rolling restarts lose nothing: no call, no order, nothing that an
// actor has in memory.
func TestRollingRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, tallies())
		callers := startCallers(t, 16, c.Client(), c.Client())
		for i := range 60 {
			time.Sleep(20 * time.Millisecond)
			c.Stop(i % 3)
			c.Restart(i % 3)
		}
		callers.end()
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, tallies())
		callers := startCallers(t, 16, c.Client(), c.Node(0), c.Node(1))
		for i := range 30 {
			time.Sleep(20 * time.Millisecond)
			c.Drain(i % 3)
			if active := c.Node(i % 3).Stats().Active; active != 0 {
				t.Errorf("the drained node has %d activations", active)
			}
			if i%2 == 0 {
				c.Uncordon(i % 3)
				continue
			}
			time.Sleep(20 * time.Millisecond)
			c.Uncordon(i % 3)
		}
		callers.end()
		if s := c.Node(0).Stats(); s.MovesIn == 0 || s.MovesOut == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The same over sockets: there messages are on their way for a while.
func TestRollingRestartsOverTCP(t *testing.T) {
	t.Parallel()
	c := malleetest.OverTCP.Start(t, tallies())
	first, second := c.Client(), c.Client()
	callers := startCallers(t, 8, first, second, c.Node(0))
	for i := range 20 {
		before := first.Stats().Sent
		for first.Stats().Sent < before+100 && callers.ctx.Err() == nil { // some calls between the restarts
			if _, err := tally.TallyOf(second, "0").Moves(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.Stop(1 + i%2)
		c.Restart(1 + i%2)
	}
	callers.end()
}

// Moves, drains and restarts at random, all at once.
func TestMovesAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 0))
				c := malleetest.Start(t, 4, tallies())
				callers := startCallers(t, 8, c.Client(), c.Node(3)) // node 3 is never stopped
				for range 100 {
					time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
					switch i := random.IntN(3); random.IntN(4) {
					case 0:
						c.Stop(i)
						c.Restart(i)
					case 1:
						c.Drain(i)
						c.Uncordon(i)
					default:
						c.Migrate(mallee.ID{Type: "Tally", Key: fmt.Sprint(random.IntN(8))}, i)
					}
				}
				callers.end()
			})
		})
	}
}
