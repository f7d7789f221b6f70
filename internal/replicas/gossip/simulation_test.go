package gossip_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// The simulation runs processes, their keeper and its store in a world of one thread
// and one seed. Messages are lost, late, repeated and out of order, links are cut in
// one direction or both; processes crash, leave, join, lose their leases and come
// back as other nodes, some when they have been removed; all crash at once, and begin
// again with what the store has. Then all becomes quiet. In the end all processes
// have the same, nothing is retained, and who is gone is forgotten; what was
// acknowledged is there; and what all have is exactly what comes of applying, one
// after the other, all batches that they have seen to nothing.

const (
	simTrouble  = 6 * time.Second        // then all faults end
	simEnd      = 7 * time.Second        // and nothing is changed any more
	simRecovery = 40 * time.Second       // and all has to be well before that
	simRemove   = 2 * time.Second        // a replica that is away so long is removed
	simLatest   = 600 * time.Millisecond // no message takes longer: less than half of that
	simLag      = 300 * time.Millisecond // until everybody knows who is alive
)

type figures map[string]int

type batch struct {
	gossip.Batch
	at time.Duration
}

func (w *simWorld) ended() bool { return w.now >= simEnd }

func newWorld(seed uint64, verbose bool) *simWorld {
	w := &simWorld{
		verbose: verbose, sum: make(figures), random: rand.New(rand.NewPCG(seed, 7)),
		cut: make(map[[2]*proc]int), slow: make(map[[2]*proc]int), live: make(map[gossip.Peer]*proc),
		history: &history{
			batches: make(map[crdt.Dot]*batch), recorded: make(map[crdt.ReplicaID]uint64),
			removed: make(map[crdt.ReplicaID]uint64), added: make(map[string]bool),
		},
	}
	w.config = gossip.MachineConfig{RemoveAfter: simRemove, MaxMessage: 20 + w.random.IntN(300)} // so small that values are divided
	w.stable = w.chance(5)
	if w.chance(3) {
		w.config.MaxRetained = 5000 + w.random.IntN(10000)
	}
	for i := range 3 + w.random.IntN(5) {
		p := &proc{name: fmt.Sprint("p", i), world: w}
		w.procs = append(w.procs, p)
		w.after(w.between(0, time.Second), func() { w.start(p) })
	}
	w.after(time.Second, w.trouble)
	return w
}

func simulate(w *simWorld) *simWorld {
	w.runUntil(simTrouble)
	w.calm = true
	w.say("no more faults")
	for well := 0; well < 2 && w.failure == ""; {
		w.runUntil(w.now + 500*time.Millisecond)
		if why := w.unwell(); why == "" && w.ended() {
			well++
		} else if well = 0; w.now > simRecovery {
			w.fail("%s", why)
		}
	}
	if w.failure == "" {
		w.checkHistory()
	}
	for _, p := range w.procs {
		if p.machine != nil {
			p.count()
		}
	}
	w.sum["seconds"] += int(w.now / time.Second)
	return w
}

// unwell says what is not yet as it has to be in the end.
func (w *simWorld) unwell() string {
	first := w.procs[0]
	given := make(map[crdt.ReplicaID]bool)
	for _, p := range w.procs {
		if p.machine == nil || !p.machine.Synced() {
			return p.name + " is no replica"
		}
		given[p.id] = true
	}
	for _, p := range w.procs {
		c, f := p.values.Clock(), p.machine.Figures()
		if _, open := p.values.Next(); open {
			return p.name + " has changes that are in no batch yet"
		}
		for r := range c.All() {
			if !given[r] {
				return fmt.Sprintf("%s remembers replica %d: it has %s", p.name, r, text(&c))
			}
		}
		switch {
		case f.Retained > 0 || f.Early > 0 || f.Lag > 0:
			return fmt.Sprintf("%s retains something: %+v", p.name, f)
		case !bytes.Equal(c.Append(nil), first.clock()):
			return fmt.Sprintf("%s and %s have seen different batches: %s and %s", first.name, p.name, text(ptr(first.values.Clock())), text(&c))
		}
	}
	for _, p := range w.procs[1:] {
		if !bytes.Equal(first.state(), p.state()) {
			w.fail("%s and %s have seen the same and are different:\n%s\n%s", first.name, p.name, show(first.values), show(p.values))
		}
	}
	if c := first.values.Clock(); !w.store.durable.Includes(&c) {
		return "the store does not have all"
	}
	return ""
}

func ptr(c crdt.Clock) *crdt.Clock { return &c }

func (p *proc) clock() []byte {
	c := p.values.Clock()
	return c.Append(nil)
}

func (p *proc) state() (b []byte) { return encode(p.values) }

func encode(v *gossip.Values) (b []byte) {
	for _, e := range all(v) {
		b = fmt.Appendf(b, "%q %t %x\n", e.Name, e.Deleted, e.State)
	}
	return b
}

func all(v *gossip.Values) (list []gossip.Entry) {
	for after := ""; ; {
		part, next, err := v.Entries(after, 1<<20)
		if err != nil {
			panic(err)
		}
		if list, after = append(list, part...), next; after == "" {
			return list
		}
	}
}

func show(v *gossip.Values) string {
	var b strings.Builder
	for _, e := range all(v) {
		fmt.Fprintf(&b, "  %s %t %x\n", e.Name, e.Deleted, e.State)
	}
	return b.String()
}

// checkHistory compares what all have with what was done.
func (w *simWorld) checkHistory() {
	p := w.procs[0]
	clock := p.values.Clock()
	has := func(d crdt.Dot) bool {
		last, gone := w.removed[d.Replica]
		return !gone && clock.Covers(d) || gone && d.Seq <= last
	}
	counted := int64(0)
	for _, c := range w.acked {
		if !has(c.at) {
			w.fail("batch %v, %s, has been acknowledged at level %d and is lost", c.at, c.what, c.level)
		}
		counted += c.amount
		if c.elem != "" && !w.added[c.elem] && !p.has(c.elem) {
			w.fail("element %s of batch %v has been acknowledged and is lost", c.elem, c.at)
		}
	}
	_ = p.values.Open("count").Read(func(v *crdt.Value, _ crdt.Electorate) {
		if v.Total() < counted || v.Total() > w.counted {
			w.fail("the counter is %d; %d was counted, and %d acknowledged", v.Total(), w.counted, counted)
		}
	})
	if w.missed {
		return
	}
	again := w.again(has)
	again.Learn(&clock)
	if c := again.Clock(); !c.Equal(&clock) {
		w.fail("all have %s, and the batches make %s", text(&clock), text(&c))
	} else if !bytes.Equal(encode(again), p.state()) {
		w.fail("what all have is not what the batches make:\n%s\n%s", show(p.values), show(again))
	}
	w.sum["checked again"]++
}

// again applies the batches to nothing, in the order in which they were made.
func (w *simWorld) again(has func(crdt.Dot) bool) *gossip.Values {
	v := gossip.NewStaged(new(crdt.Clock))
	var list []*batch
	for at, b := range w.batches {
		if has(at) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b *batch) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.At.Replica, b.At.Replica), cmp.Compare(a.At.Seq, b.At.Seq))
	})
	for len(list) > 0 {
		var rest []*batch
		for _, b := range list {
			plain := b.Batch
			plain.Seen = crdt.Clock{} // without what had been forgotten
			for r, seq := range b.Seen.All() {
				plain.Seen.See(crdt.Dot{Replica: r, Seq: seq})
			}
			for r, last := range w.removed {
				if b.Seen.Forgotten(r) {
					plain.Seen.See(crdt.Dot{Replica: r, Seq: last})
				}
			}
			early, err := v.Apply(&plain)
			if err != nil {
				w.fail("batch %v again: %v", b.At, err)
			}
			if early {
				rest = append(rest, b)
			}
		}
		if len(rest) == len(list) {
			w.fail("batch %v has seen %s, which is missing", rest[0].At, text(&rest[0].Seen))
			return v
		}
		list = rest
	}
	return v
}

func (p *proc) has(elem string) (has bool) {
	_ = p.values.Open("unique").Read(func(v *crdt.Value, _ crdt.Electorate) { has = v.Has(elem) })
	return has
}

// MALLEE_SIM_SEEDS says how many seeds run, MALLEE_SIM_FIRST which is the first; with
// MALLEE_SIM_ALL all that fail are listed. A seed that fails is run again, to print
// what has happened last: MALLEE_SIM_LOG lines of it.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds, first := setting("MALLEE_SIM_SEEDS", 200), setting("MALLEE_SIM_FIRST", 0)
	sum, failed := runSeeds(first, seeds, os.Getenv("MALLEE_SIM_ALL") != "")
	if len(failed) > 0 {
		slices.Sort(failed)
		w := simulate(newWorld(uint64(failed[0]), true))
		log := w.log[max(0, len(w.log)-setting("MALLEE_SIM_LOG", 100)):]
		t.Fatalf("seeds %d fail; seed %d: %s\n%s", failed, failed[0], w.failure, strings.Join(log, "\n"))
	}
	t.Logf("%d seeds: %v", seeds, sum)
	for _, what := range []string{"acknowledged", "heard", "transfers", "removed", "came back", "checked again", "leaves", "resent", "divided"} {
		if seeds >= 100 && sum[what] < seeds/8 {
			t.Errorf("too little of this has happened for the simulation to mean something: %s", what)
		}
	}
}

func runSeeds(first, seeds int, all bool) (sum figures, failed []int) {
	sum = make(figures)
	var mu sync.Mutex
	next := first
	var runners sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		runners.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				stop := seed >= first+seeds || len(failed) > 0 && !all
				mu.Unlock()
				if stop {
					return
				}
				w := simulate(newWorld(uint64(seed), false))
				mu.Lock()
				if w.failure != "" {
					failed = append(failed, seed)
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
