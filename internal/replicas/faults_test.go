package replicas_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
)

// faults is a cluster to which everything happens.
type faults struct {
	*malleetest.Cluster
	t                *testing.T
	random           *rand.Rand
	dead             map[int]bool
	cut              bool // some node may not reach the placement driver
	acked, attempted int64
}

func (f *faults) step() {
	i := f.random.IntN(f.Size())
	switch n := f.random.IntN(20); {
	case n < 12:
		f.change(i)
	case n == 12 && len(f.dead) < f.Size()-1 && !f.dead[i]:
		f.Kill(i)
		f.dead[i] = true
	case n == 13 && len(f.dead) < f.Size()-1 && !f.dead[i] && !f.cut:
		f.Cluster.Stop(i)
		f.dead[i] = true
	case n < 16 && f.dead[i]:
		f.Restart(i)
		delete(f.dead, i)
	case n == 16 && !f.dead[i]:
		f.Isolate(i)
		f.cut = true
	case n == 17:
		f.Partition(i)
	case n == 18:
		f.Heal()
		f.cut = false
	case n == 19:
		time.Sleep(time.Duration(f.random.Int64N(int64(2 * malleetest.LeaseTTL))))
	}
}

// change adds one, and waits for a majority or does not.
func (f *faults) change(i int) {
	if f.dead[i] {
		return
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 3*time.Second)
	defer cancel()
	r := visits(f.Node(i))
	if r.Wait(ctx, crdt.Local) != nil {
		return
	}
	if _, err := r.Value.Add(1); err != nil {
		return
	}
	f.attempted++
	if f.random.IntN(3) > 0 && r.Wait(ctx, crdt.Majority) == nil {
		f.acked++
	}
}

// settle makes everything well, and looks.
func (f *faults) settle() {
	f.Heal()
	f.cut = false
	for i := range f.dead {
		f.Restart(i)
	}
	clear(f.dead)
	var all []int64
	for i := range f.Size() {
		r := visits(f.Node(i))
		must(f.t, r.Wait(patient(f.t), crdt.All))
	}
	for i := range f.Size() {
		r := visits(f.Node(i))
		must(f.t, r.Refresh(patient(f.t)))
		got, err := r.Value.Value()
		must(f.t, err)
		all = append(all, got)
		if got != all[0] || got < f.acked || got > f.attempted {
			f.t.Errorf("the nodes have %v, and %d of %d changes were acknowledged", all, f.acked, f.attempted)
		}
	}
}

// Nodes die, stop, come back, and cannot reach each other or the placement driver:
// all have the same afterwards, with everything that was acknowledged.
// MALLEE_TEST_FAULTS is how many seeds are tried.
func TestFaults(t *testing.T) {
	t.Parallel()
	seeds := uint64(6)
	if n, err := strconv.ParseUint(os.Getenv("MALLEE_TEST_FAULTS"), 10, 64); err == nil {
		seeds = n
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faults{
					Cluster: malleetest.Start(t, 4, game.Types()...), t: t,
					random: rand.New(rand.NewPCG(seed, 0)), dead: make(map[int]bool),
				}
				for range 5 {
					for range 40 {
						f.step()
					}
					f.settle()
				}
			})
		})
	}
}
