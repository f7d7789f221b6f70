package gossip_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// simWorld is everything.
type simWorld struct {
	random *rand.Rand
	now    time.Duration
	queue  events
	seq    int // of events, so that those of one moment have an order
	calm   bool
	stable bool // nobody comes or goes

	procs []*proc
	cut   map[[2]*proc]int // links that carry nothing, and how often they were cut
	slow  map[[2]*proc]int
	store store
	*history

	// What the placement driver knows; it is right and in one place.
	live     map[gossip.Peer]*proc
	lastPeer gossip.Peer
	keeper   *keeper // nil: none
	moved    time.Duration

	config  gossip.MachineConfig
	failure string // the first
	verbose bool
	log     []string
	sum     figures
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *simWorld) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + d, w.seq, do})
}

func (w *simWorld) runUntil(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end && w.failure == "" {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *simWorld) say(format string, args ...any) {
	if w.verbose {
		w.log = append(w.log, fmt.Sprintf("%8.3f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

func (w *simWorld) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.say("FAILURE: %s", w.failure)
	}
}

func (w *simWorld) chance(one int) bool { return w.random.IntN(one) == 0 }

func (w *simWorld) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

// travels is how long a message takes, for each copy that arrives.
func (w *simWorld) travels(from, to *proc) (delays []time.Duration) {
	copies := 1
	if !w.calm {
		if w.chance(15) {
			copies = 0
		} else if w.chance(15) {
			copies = 2
		}
	}
	for range copies {
		delay := w.between(time.Millisecond, 10*time.Millisecond)
		if !w.calm && (w.slow[[2]*proc{from, to}] > 0 || w.chance(30)) {
			delay = w.between(10*time.Millisecond, simLatest)
		}
		delays = append(delays, delay)
	}
	return delays
}

// send lets a message travel, or not, to the present life of a process.
func (w *simWorld) send(from, to *proc, do func()) {
	life := to.life
	for _, d := range w.travels(from, to) {
		w.after(d, func() {
			if to.life == life && (w.calm || w.cut[[2]*proc{from, to}] == 0) {
				do()
			}
		})
	}
}

// faults

func (w *simWorld) trouble() {
	if w.calm {
		return
	}
	p := w.procs[w.random.IntN(len(w.procs))]
	n := w.random.IntN(12)
	if w.stable {
		n = 7 + n%4
	}
	switch n {
	case 0, 1:
		w.crash(p)
	case 2, 3:
		p.leave()
	case 4, 5, 6:
		p.loseLease()
	case 7, 8:
		w.cutLinks(p)
	case 9, 10:
		other := w.procs[w.random.IntN(len(w.procs))]
		w.link(w.slow, p, other, w.between(0, 2*time.Second))
	case 11:
		if w.chance(4) {
			w.say("all crash")
			for _, p := range w.procs {
				if w.live[p.node] == p || w.chance(2) { // others may come back
					w.crash(p)
				}
			}
		}
	}
	w.after(w.between(50*time.Millisecond, 1200*time.Millisecond), w.trouble)
}

// cutLinks cuts a process off from some others, in one direction or both.
func (w *simWorld) cutLinks(p *proc) {
	d, kind := w.between(0, 4*time.Second), w.random.IntN(3)
	for _, other := range w.procs {
		if other == p || w.chance(3) {
			continue
		}
		if kind != 0 {
			w.link(w.cut, p, other, d)
		}
		if kind != 1 {
			w.link(w.cut, other, p, d)
		}
	}
}

func (w *simWorld) link(how map[[2]*proc]int, a, b *proc, d time.Duration) {
	l := [2]*proc{a, b}
	how[l]++
	w.say("%s to %s is bad for %v", a.name, b.name, d)
	w.after(d, func() { how[l]-- })
}

// relist tells the processes who is alive, each a little later.
func (w *simWorld) relist() {
	w.moved = w.now
	for _, p := range w.procs {
		life := p.life
		w.after(w.between(0, simLag), func() {
			if p.life == life {
				p.look()
			}
		})
	}
}

// store is what outlives all processes. Only the last keeper can write.
type store struct {
	term    int
	lastID  crdt.ReplicaID
	given   []crdt.ReplicaID
	entries []gossip.Entry // of the checkpoint
	base    crdt.Clock
	log     []gossip.Batch
	durable crdt.Clock
}

// load is what the store has, staged.
func (w *simWorld) load() *gossip.Values {
	v := gossip.NewStaged(&w.store.base)
	if err := v.Load(w.store.entries); err != nil {
		w.fail("load: %v", err)
	}
	for _, b := range w.store.log {
		if early, err := v.Apply(&b); err != nil || early {
			w.fail("the log has batch %v: early %v, %v", b.At, early, err)
		}
	}
	v.Learn(&w.store.durable)
	if c := v.Clock(); !c.Equal(&w.store.durable) {
		w.fail("what was loaded has %s, and the store %s", text(&c), text(&w.store.durable))
	}
	return v
}

// keeper is the actor. It has its term, and can be on a node that is not alive.
type keeper struct {
	at   *proc
	life int
	term int
}

// place gives the keeper to somebody, if it is nowhere.
func (w *simWorld) place() {
	if k := w.keeper; k != nil && k.at.life == k.life && w.live[k.at.node] == k.at {
		return
	}
	var can []*proc
	for _, p := range w.procs {
		if w.live[p.node] == p && p.listed {
			can = append(can, p)
		}
	}
	if len(can) == 0 {
		return
	}
	p := can[w.random.IntN(len(can))]
	w.store.term++
	k := &keeper{p, p.life, w.store.term}
	w.keeper = k
	w.say("the keeper is at %s", p.name)
	if p.machine != nil && !slices.Contains(w.store.given, p.id) {
		p.removed()
	}
	if p.machine == nil {
		p.begin(k.newID())
	} else {
		p.machine.Returned(p.id)
		p.machine.Rename(p.node)
		p.look()
	}
	if c := p.values.Clock(); !p.machine.Synced() || !c.Includes(&w.store.durable) {
		p.check(p.machine.Adopt(w.now, w.load()))
	}
	p.machine.Durable(&w.store.durable)
	p.soon()
	w.after(w.between(0, 500*time.Millisecond), func() { w.keep(k) })
}

// valid reports whether the keeper can write. A write that fails ends it.
func (w *simWorld) valid(k *keeper) bool {
	return k == w.keeper && k.term == w.store.term && k.at.life == k.life && k.at.machine != nil && k.at.machine.Synced()
}

func (k *keeper) newID() crdt.ReplicaID {
	s := &k.at.world.store
	s.lastID++
	s.given = append(slices.Clone(s.given), s.lastID)
	return s.lastID
}

// keep is what the keeper does every now and then.
func (w *simWorld) keep(k *keeper) {
	if !w.valid(k) {
		return
	}
	p, s := k.at, &w.store
	switch {
	case w.chance(20):
		w.checkpoint(k)
	case w.chance(3):
		w.flush(k)
	}
	gone, checkpoint := p.machine.Census(w.now, &gossip.Census{Given: s.given, Last: s.lastID, Base: s.base})
	if checkpoint && !w.chance(3) {
		w.checkpoint(k)
	}
	if len(gone) > 0 {
		c := p.values.Clock()
		for _, id := range gone {
			w.removed[id] = c.Seen(id)
		}
		w.say("keeper removes %v", gone)
		w.sum["removed"] += len(gone)
		s.given = slices.DeleteFunc(slices.Clone(s.given), func(id crdt.ReplicaID) bool { return slices.Contains(gone, id) })
		if !w.chance(3) { // or it ends here, and the next one finds out
			p.machine.Census(w.now, &gossip.Census{Given: s.given, Last: s.lastID, Base: s.base})
		}
	}
	p.drain()
	w.after(w.between(100*time.Millisecond, 600*time.Millisecond), func() { w.keep(k) })
}

func (w *simWorld) flush(k *keeper) {
	s := &w.store
	batches, clock, ok := k.at.machine.Since(w.now, &s.durable)
	if !ok {
		w.checkpoint(k)
		return
	}
	s.log, s.durable = append(s.log, batches...), clock
	k.at.machine.Durable(&clock)
	k.at.soon()
}

func (w *simWorld) checkpoint(k *keeper) {
	s, after := &w.store, ""
	s.entries, s.log = nil, nil
	for {
		part, next, err := k.at.values.Entries(after, w.config.MaxMessage)
		k.at.check(err)
		for _, e := range part {
			if e.Continues {
				w.sum["divided"]++
			}
		}
		s.entries = append(s.entries, part...)
		if after = next; after == "" {
			break
		}
	}
	s.base = k.at.values.Clock()
	s.durable = s.base.Clone()
	k.at.machine.Durable(&s.durable)
	k.at.soon()
	w.sum["checkpoints"]++
}

// call calls the keeper from a process; answer runs if it and its answer arrive.
func (w *simWorld) call(p *proc, do func(k *keeper) (answer func())) {
	w.place()
	k := w.keeper
	if k == nil {
		return
	}
	life := p.life
	arrived := func() {
		if !w.valid(k) {
			return
		}
		if answer := do(k); answer != nil {
			if p == k.at {
				answer()
				return
			}
			w.send(k.at, p, func() {
				if p.life == life {
					answer()
				}
			})
		}
	}
	if p == k.at {
		arrived()
		return
	}
	w.send(p, k.at, arrived)
}

func text(c *crdt.Clock) string {
	var b strings.Builder
	for r, seq := range c.All() {
		fmt.Fprintf(&b, "%d:%d ", r, seq)
	}
	return "{" + strings.TrimSpace(b.String()) + "}"
}
