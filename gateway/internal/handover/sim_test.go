package handover_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

// The simulation runs clients, gateways and nodes with actors in a world of one
// thread and one seed. Connections break, at one end first; links are late;
// clients do not read, give up, and come back by any gateway; processes crash
// and drain; actors move. A client sees each message once and in the order of
// its sender, and is told how many are missing, in front of those behind them,
// or that an unknown number is.

const (
	simTrouble  = 25 * time.Second // then all faults end
	simEnd      = 40 * time.Second // and nothing is sent any more
	simRecovery = 60 * time.Second // and all has arrived
)

func (w *world) ended() bool { return w.now >= simEnd }

func newWorld(seed uint64, verbose bool, flaws flaws) *world {
	w := &world{
		verbose: verbose, flaws: flaws, sum: make(figures), random: rand.New(rand.NewPCG(seed, 5)),
		lastAt: make(map[placement.NodeID]uint64), links: make(map[[2]placement.NodeID]*link),
		waits: stream.Queue{Messages: 1 << 20, Bytes: 1 << 30},
	}
	w.bounds = stream.Bounds{Messages: 8 + w.random.IntN(200), Bytes: 1 << 20, Window: 5 * time.Second, Slow: stream.Policy(w.random.IntN(2))}
	w.holds = handover.Bounds{Messages: 2 + w.random.IntN(50), Bytes: 1 << 20}
	for range 3 + w.random.IntN(2) {
		w.start()
	}
	for i := range 4 {
		a := &actor{id: mallee.ID{Type: "Player", Key: strconv.Itoa(i)}, knows: make(map[int]int)}
		w.actors = append(w.actors, a)
		w.place(a)
		w.after(0, func() { w.act(a) })
	}
	for i := range 3 {
		c := &client{id: i, world: w, machine: edge.NewClient(1<<20, 1<<30), actor: w.actors[i], sends: make(map[int][]*sent), last: make(map[int]int)}
		w.clients = append(w.clients, c)
		w.connect(c)
		w.after(0, c.speak)
	}
	w.after(5*time.Second, w.trouble)
	return w
}

func simulate(w *world) *world {
	w.runUntil(simTrouble)
	w.calm = true
	w.runUntil(simRecovery)
	if w.failure == "" {
		w.checkWell()
	}
	return w
}

// checkWell is what must be true at the end.
func (w *world) checkWell() {
	for _, c := range w.clients {
		if c.conn == nil || c.conn.session == nil {
			w.fail("client %d has no session", c.id)
			continue
		}
		c.checkSkips()
		missing, unclear := 0, c.epochs > 1
		for sender, list := range c.sends {
			for seq, s := range list[1:] {
				unclear = unclear || s.refused || s.cutOff
				if s.wrongly(c.began) && !s.cutOff {
					missing++
					w.say("client %d: message %d of sender %d, sent at %v, is missing", c.id, seq+1, sender, s.at)
				}
			}
		}
		// Lost may count messages of which the senders were told, too.
		if missing > c.missed || !unclear && missing < c.missed {
			w.fail("client %d misses %d messages and was told of %d", c.id, missing, c.missed)
		}
		if notRun := c.said - len(c.ran); notRun > c.unsure {
			w.fail("%d messages of client %d have not run, and it was told of %d", notRun, c.id, c.unsure)
		}
	}
}

// checkSkips looks whether the client was told in time: before it got what was
// sent behind a missing message.
func (c *client) checkSkips() {
	epoch, missing := 0, 0
	for _, s := range c.skips {
		if s.epoch != epoch {
			epoch, missing = s.epoch, 0
		}
		if s.sent.wrongly(s.began) && (!s.sent.astray || s.sent.at > c.began) {
			missing++
		}
		if missing > s.missed {
			c.world.fail("client %d was told of %d in epoch %d, and %d were missing; the last one was sent at %v", c.id, s.missed, epoch, missing, s.sent.at)
			return
		}
	}
}

// MALLEE_SIM_SEEDS says how many seeds run, MALLEE_SIM_FIRST which is the
// first. A seed that fails is run again, to print what has happened.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds, first := setting("MALLEE_SIM_SEEDS", 200), setting("MALLEE_SIM_FIRST", 0)
	sum, failed := runSeeds(first, seeds, flaws{})
	if failed >= 0 {
		w := simulate(newWorld(uint64(failed), true, flaws{}))
		log := w.log[max(0, len(w.log)-setting("MALLEE_SIM_LOG", 200)):]
		t.Fatalf("seed %d: %s\n%s", failed, w.failure, strings.Join(log, "\n"))
	}
	t.Logf("%d seeds: %+v", seeds, sum)
	for _, what := range wanted {
		if seeds >= 200 && sum[what] == 0 {
			t.Errorf("the seeds have not met what is wanted: %s", what)
		}
	}
}

// A design with a flaw must not pass.
func TestSimulationFindsFlaws(t *testing.T) {
	t.Parallel()
	for _, f := range []flaws{{unheld: true}, {unmarked: true}, {silent: true}, {repeats: true}, {impatient: true}, {unrestored: true}, {posthumous: true}} {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			t.Parallel()
			if _, failed := runSeeds(0, 3000, f); failed < 0 {
				t.Error("nobody notices")
			} else {
				t.Logf("seed %d notices", failed)
			}
		})
	}
}

func runSeeds(first, seeds int, f flaws) (sum figures, failed int) {
	var mu sync.Mutex
	sum, failed = make(figures), -1
	next := first
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
				w := simulate(newWorld(uint64(seed), false, f))
				mu.Lock()
				if w.failure != "" {
					failed = seed
				}
				for what, n := range w.sum {
					sum[what] += n
				}
				mu.Unlock()
			}
		})
	}
	runners.Wait()
	return sum, failed
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
