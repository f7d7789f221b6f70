package replicas_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
)

// patience bounds waits for what must come, by fake time.
const patience = time.Minute

var keeper = mallee.ID{Type: "MalleeReplicas", Key: "keeper"}

// visits is a counter that every node has.
func visits(n *node.Node) *mallee.Replicated[crdt.PNCounter] {
	return mallee.NewReplicated[crdt.PNCounter](n, mallee.ID{Type: "Page", Key: "visits"})
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// reaches waits until a counter has a value.
func reaches(t *testing.T, r *mallee.Replicated[crdt.PNCounter], want int64) {
	t.Helper()
	until(t, r, func(got int64) bool { return got == want })
}

func until(t *testing.T, r *mallee.Replicated[crdt.PNCounter], ok func(int64) bool) {
	t.Helper()
	for c := range r.Changes(patient(t)) {
		if got, err := c.Value(); err == nil && ok(got) {
			return
		}
	}
	got, err := r.Value.Value()
	t.Fatalf("the counter stays at %d, %v", got, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, r *mallee.Replicated[crdt.PNCounter], n int64) {
	t.Helper()
	must(t, r.Wait(patient(t), crdt.Local))
	if _, err := r.Value.Add(n); err != nil {
		t.Fatal(err)
	}
}

func TestChangeIsSeenOnAllNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 3)
		}
	})
}

// What somebody has waited for is there after all nodes have died.
func TestMajoritySurvivesAllNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			r := visits(c.Node(i))
			add(t, r, 1)
			must(t, r.Wait(patient(t), crdt.Majority))
		}
		for i := range 3 {
			c.Kill(i)
		}
		for i := range 3 {
			c.Restart(i)
		}
		for i := range 3 {
			r := visits(c.Node(i))
			must(t, r.Wait(patient(t), crdt.Local))
			reaches(t, r, 3)
		}
	})
}

// A node may die at any time, also the one that keeps the values.
func TestMajoritySurvivesNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 6 {
			r := visits(c.Node((i + 1) % 3))
			add(t, r, 1)
			must(t, r.Wait(patient(t), crdt.Majority))
			c.Kill((i + 1) % 3)
			reaches(t, visits(c.Node(i%3)), int64(i+1))
			c.Restart((i + 1) % 3)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 6)
		}
	})
}

// What nobody has waited for is in the store after the interval.
func TestLocalIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		add(t, visits(c.Node(1)), 1)
		time.Sleep(2 * time.Second)
		for i := range 3 {
			c.Kill(i)
		}
		c.Restart(2)
		reaches(t, visits(c.Node(2)), 1)
	})
}

// A node that is stopped takes nothing along.
func TestStopLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
			c.Stop(i)
		}
		c.Restart(1)
		reaches(t, visits(c.Node(1)), 3)
	})
}

// What a node takes until the last moment stays, and then it takes no more.
func TestChangesWhileANodeStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 { // at last, one alone
			add(t, visits(c.Node(i)), 1)
		}
		want := int64(3)
		for i := range 3 {
			r, ended := visits(c.Node(i)), make(chan error)
			go func() {
				for {
					if _, err := r.Value.Add(1); err != nil {
						ended <- err
						return
					}
					want++
					time.Sleep(100 * time.Microsecond)
				}
			}()
			c.Stop(i)
			if err := <-ended; !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
				t.Errorf("a node that has stopped says: %v", err)
			}
		}
		c.Restart(1)
		reaches(t, visits(c.Node(1)), want)
	})
}

// Both sides of a partition go on, and are equal afterwards.
func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 3)
		}
		c.Partition(2)
		for i := range 3 {
			add(t, visits(c.Node(i)), 10)
		}
		reaches(t, visits(c.Node(0)), 23)
		reaches(t, visits(c.Node(1)), 23)
		reaches(t, visits(c.Node(2)), 13)
		short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := visits(c.Node(2)).Wait(short, crdt.Majority)
		t.Log(err)
		if !errors.Is(err, mallee.ErrTimeout) {
			t.Errorf("a majority has what one node alone has changed: %v", err)
		}
		c.Heal()
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 33)
		}
		must(t, visits(c.Node(2)).Wait(patient(t), crdt.All))
	})
}

// A node that loses its lease is another one afterwards, and the same replica.
func TestLostLeaseKeepsTheReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 3)
		}
		before := c.Node(1).ID()
		c.Isolate(1)
		time.Sleep(2 * malleetest.LeaseTTL)
		add(t, visits(c.Node(1)), 10)
		add(t, visits(c.Node(0)), 100)
		c.Heal()
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 113)
		}
		if c.Node(1).ID() == before {
			t.Error("the node has kept its lease")
		}
		must(t, visits(c.Node(1)).Wait(patient(t), crdt.All))
	})
}

// What a majority has is seen by who asks for it.
func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 30 {
			r := visits(c.Node(i % 3))
			add(t, r, 1)
			must(t, r.Wait(patient(t), crdt.Majority))
			other := visits(c.Node((i + 1) % 3))
			must(t, other.Refresh(patient(t)))
			if got, err := other.Value.Value(); err != nil || got != int64(i+1) {
				t.Fatalf("%d, %v after %d changes", got, err, i+1)
			}
		}
	})
}

// A node that comes back after its replica has been removed is another replica, and
// what nobody has heard of is lost. The others have lost nothing.
func TestRemovedReplicaBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 3)
		}
		keeper := c.Owner(keeper)
		away := (keeper + 1) % 3 // or it would still write what it changes
		c.Isolate(away)
		add(t, visits(c.Node(away)), 10)
		add(t, visits(c.Node(keeper)), 100)
		time.Sleep(2 * time.Hour)
		if got, err := visits(c.Node(away)).Value.Value(); err != nil || got != 13 {
			t.Errorf("while it is alone: %d, %v", got, err)
		}
		c.Heal()
		reaches(t, visits(c.Node(away)), 103)
		add(t, visits(c.Node(away)), 1000)
		must(t, visits(c.Node(away)).Wait(patient(t), crdt.All))
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 1103)
		}
	})
}

// A process that hosts nothing has copies too, once it uses a value.
func TestClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2, game.Types()...)
		client := c.Client()
		add(t, visits(client), 1)
		must(t, visits(client).Wait(patient(t), crdt.All))
		for i := range 2 {
			add(t, visits(c.Node(i)), 1)
		}
		reaches(t, visits(client), 3)
		owner := c.Owner(keeper)
		c.Kill(owner)
		c.Restart(owner)
		reaches(t, visits(c.Node(owner)), 3)
	})
}

// Processes that host nothing come to know each other: what one changes is on the
// other within the time that a message takes, and does not go a longer way.
func TestClientsKnowEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 1, game.Types()...)
		one, other := c.Client(), c.Client()
		add(t, visits(one), 1)
		add(t, visits(other), 1)
		reaches(t, visits(other), 2)
		time.Sleep(3 * time.Second) // they are told of each other
		begin := time.Now()
		add(t, visits(one), 1)
		reaches(t, visits(other), 3)
		if took := time.Since(begin); took > 100*time.Millisecond {
			t.Errorf("it took %v, of fake time", took)
		}
	})
}

func TestOverTCP(t *testing.T) {
	t.Parallel()
	c := malleetest.OverTCP.Start(t, game.Types()...)
	for i := range 3 {
		add(t, visits(c.Node(i)), 1)
	}
	for i := range 3 {
		reaches(t, visits(c.Node(i)), 3)
		must(t, visits(c.Node(i)).Wait(patient(t), crdt.All))
	}
}

// A keeper that comes to a node which has got the values as a whole, and not the
// batches that the store lacks, writes all values.
func TestKeeperWithoutBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2, game.Types()...)
		add(t, visits(c.Node(0)), 1)
		fresh := c.Add()
		must(t, visits(c.Node(fresh)).Wait(patient(t), crdt.Local))
		c.Migrate(keeper, fresh)
		must(t, visits(c.Node(0)).Wait(patient(t), crdt.All))
		row, err := c.Store().Get(t.Context(), storage.Key{Table: replicas.Table, Key1: "log", Key2: "head"})
		if err != nil || !strings.Contains(string(row.Value), `"generation":1`) {
			t.Errorf("%s, %v", row.Value, err)
		}
		for i := range 3 {
			c.Kill(i)
		}
		c.Restart(1)
		reaches(t, visits(c.Node(1)), 1)
	})
}

// Whatever happens to the keeper meanwhile, what was acknowledged is in the store.
func TestKeeperMovesAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		var acked atomic.Int64
		var writers sync.WaitGroup
		stop, cancel := context.WithCancel(t.Context())
		for i := range 3 {
			r := visits(c.Node(i))
			writers.Go(func() {
				for stop.Err() == nil {
					add(t, r, 1)
					must(t, r.Wait(patient(t), crdt.Majority))
					acked.Add(1)
				}
			})
		}
		for i := range 20 {
			enough := acked.Load() + 10
			until(t, visits(c.Node(i%3)), func(got int64) bool { return got >= enough })
			c.Migrate(keeper, i%3)
		}
		cancel()
		writers.Wait()
		for i := range 3 {
			c.Kill(i)
		}
		c.Restart(0)
		reaches(t, visits(c.Node(0)), acked.Load())
	})
}
