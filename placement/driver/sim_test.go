package driver_test

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// The simulation runs directories and holders in a world of one thread and one
// seed: processes crash and sleep, clocks run at different rates, messages are
// lost, late, repeated and out of order, links are cut in one direction or both,
// and leaders are replaced while they still believe in themselves. After every
// event no two nodes may hold one actor.

const (
	simTTL         = 5 * time.Second // of nodes' leases
	simSession     = 3 * time.Second // of the leader's
	simNodes       = 5
	simDrivers     = 3
	simActors      = 8
	simGuestActors = 2                // of them, which guests can have, too
	simTrouble     = 60 * time.Second // then all faults end
	simRecovery    = 60 * time.Second // and all has to be well after that
)

func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.say("FAILURE: %s", w.failure)
	}
}

// check looks for actors with two owners, when a node has taken a grant or has
// woken up. A process that sleeps does nothing, and looks at its clock before
// it does anything again.
func (w *world) check() {
	for _, id := range actors {
		owner := (*host)(nil)
		guest := w.answered[id].Node
		_, visited := w.leases[guest]
		for _, h := range w.nodes {
			if !h.alive || h.asleep || h.holder == nil || h.holder.Holds(id) == 0 || h.clock(w) >= h.holder.Deadline() {
				continue
			}
			if visited {
				w.fail("%s and node %v, a guest, both have %s", h.name, guest, id.Key)
			}
			if owner != nil {
				w.fail("%s and %s both hold %s", owner.name, h.name, id.Key)
			}
			owner = h
			at := driver.Held{ID: id, Epoch: h.holder.Holds(id)}
			if other, seen := w.epochs[at]; seen && other != h.id {
				w.fail("nodes %v and %v have both held %s in one epoch", other, h.id, id.Key)
			}
			w.epochs[at] = h.id
		}
	}
}

// simulate runs one seed and says what went wrong, or nothing.
func simulate(seed uint64, verbose bool) *world { return run(newWorld(seed, verbose, flaws{})) }

func run(w *world) *world {
	w.runUntil(simTrouble)
	w.calm = true
	w.runUntil(simTrouble + simRecovery)
	if w.failure == "" {
		w.checkWell()
	}
	return w
}

// checkWell is what must be true once faults have ended for a while.
func (w *world) checkWell() {
	if w.leader < 0 || w.drivers[w.leader].directory == nil {
		w.fail("there is no leader")
		return
	}
	d := w.drivers[w.leader].directory
	for _, m := range d.Members() {
		if _, live := w.leases[m.ID]; !live {
			w.fail("node %v is no member, and the leader takes it for one", m.ID)
		}
	}
	if silent := d.Silent(); len(silent) > 0 {
		w.fail("nodes %v have not reported", silent)
	}
	for _, h := range w.nodes {
		if h.holder == nil {
			w.fail("%s is no member", h.name)
			continue
		}
		for _, id := range actors {
			epoch := h.holder.Holds(id)
			if g, _ := d.Owner(id); epoch != 0 && g != (placement.Grant{Node: h.id, Epoch: epoch}) {
				w.fail("%s (node %v) holds %s in epoch %d, the leader knows %+v", h.name, h.id, id.Key, epoch, g)
			}
		}
		for ticket, since := range h.asks {
			if w.now-since > 5*time.Second {
				w.fail("question %d of %s has no end", ticket, h.name)
			}
		}
	}
	for i, id := range actors {
		if a, done := d.Locate(1<<60+uint64(i), driver.Question{ID: id}); !done || a.Err != nil {
			w.fail("actor %d cannot be located: %v", i, a.Err)
		}
	}
}

// MALLEE_SIM_SEEDS says how many seeds run, MALLEE_SIM_FIRST which is the
// first. A seed that fails is run again, to print what has happened.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds, first := setting("MALLEE_SIM_SEEDS", 100), setting("MALLEE_SIM_FIRST", 0)
	var mu sync.Mutex
	var sum world
	failed, next := -1, first
	var runners sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		runners.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				stop := seed >= first+seeds || failed >= 0
				mu.Unlock()
				if stop {
					return
				}
				w := simulate(uint64(seed), false)
				mu.Lock()
				if w.failure != "" {
					failed = seed
				}
				sum.handovers, sum.writes, sum.terms = sum.handovers+w.handovers, sum.writes+w.writes, sum.terms+w.terms
				sum.refusals, sum.fencedSelf, sum.moves = sum.refusals+w.refusals, sum.fencedSelf+w.fencedSelf, sum.moves+w.moves
				mu.Unlock()
			}
		})
	}
	runners.Wait()
	if failed >= 0 {
		w := simulate(uint64(failed), true)
		t.Fatalf("seed %d: %s\n%s", failed, w.failure, strings.Join(w.log, "\n"))
	}
	t.Logf("%d seeds: %d grants taken, %d writes, %d terms, %d releases put off, %d nodes fenced themselves, %d moves to balance loads", seeds, sum.handovers, sum.writes, sum.terms, sum.refusals, sum.fencedSelf, sum.moves)
	if sum.handovers < 20*seeds || sum.terms < 2*seeds || sum.fencedSelf < seeds/2 || sum.moves < seeds {
		t.Error("too little has happened for the simulation to mean something")
	}
}

// The simulation sees what goes wrong where a leader lets nodes join although
// another one has followed it, who never hears of what it grants them; and where
// the next leader does not find in etcd what guests have.
func TestSimulationSeesFlaws(t *testing.T) {
	t.Parallel()
	for _, f := range []flaws{{unguarded: true}, {forgetful: true}} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5000) {
				if w := run(newWorld(seed, false, f)); w.failure != "" {
					t.Logf("seed %d: %s", seed, w.failure)
					return
				}
			}
			t.Error("nothing fails")
		})
	}
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
