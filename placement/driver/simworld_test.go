package driver_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// world is everything.
type world struct {
	random *rand.Rand
	now    time.Duration
	queue  events
	seq    int // of events, so that those of one moment have an order

	drivers [simDrivers]*pd
	nodes   [simNodes]*host
	guest   *guest
	cut     map[[2]string]bool // links that carry nothing, by their ends
	slow    map[[2]string]bool
	calm    bool // no more faults

	flaws flaws

	// What etcd knows; it is right and in one place.
	leader  int           // of the drivers; -1: none
	session time.Duration // until when it leads
	term    uint64
	leases  map[placement.NodeID]time.Duration // until when
	members map[placement.NodeID]placement.Member
	lastID  placement.NodeID
	kept    map[placement.NodeID]map[mallee.ID]uint64 // grants of guests

	// What the checks know.
	changed  bool                             // who holds what, since the last check
	epochs   map[driver.Held]placement.NodeID // which node held it
	newest   map[mallee.ID]uint64             // epoch that the store has seen
	guests   map[placement.NodeID]bool        // IDs that guests have or had
	answered map[mallee.ID]placement.Grant    // guests that were told of
	failure  string                           // the first
	verbose  bool
	log      []string // if verbose

	// How much has happened.
	handovers, writes, terms, refusals, fencedSelf, moves int
}

// flaws are what a placement driver must not have.
type flaws struct {
	unguarded bool // nodes join through leaders that others have followed
	forgetful bool // grants of guests are told before etcd has them
}

// process is a thing that can crash and sleep.
type process struct {
	name   string
	alive  bool
	life   int // counts crashes, so that what was meant for an earlier life is lost
	asleep bool
	later  []func() // what arrived while it slept
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

func (e *events) Push(x any) { *e = append(*e, x.(event)) }

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + d, w.seq, do})
}

func (w *world) say(format string, args ...any) {
	if !w.verbose {
		return
	}
	w.log = append(w.log, fmt.Sprintf("%8.3f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
	if len(w.log) > 400 {
		w.log = slices.Delete(w.log, 0, 100)
	}
}

func (w *world) chance(one int) bool { return w.random.IntN(one) == 0 }

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

// send lets a message travel, or not.
func (w *world) send(from, to *process, do func()) {
	times := 1
	if !w.calm {
		if w.chance(20) {
			times = 0
		} else if w.chance(20) {
			times = 2
		}
	}
	for range times {
		delay := w.between(time.Millisecond, 30*time.Millisecond)
		if w.slow[[2]string{from.name, to.name}] {
			delay = w.between(300*time.Millisecond, 3*time.Second)
		}
		if !w.calm && w.chance(30) {
			delay = w.between(0, 8*time.Second) // longer than a lease
		}
		life := to.life
		w.after(delay, func() {
			if w.cut[[2]string{from.name, to.name}] {
				return
			}
			w.run(to, life, do)
		})
	}
}

// run lets a process do something, once it is awake, if it still lives.
func (w *world) run(p *process, life int, do func()) {
	switch {
	case !p.alive || p.life != life:
	case p.asleep:
		p.later = append(p.later, do)
	default:
		do()
	}
}

// every repeats something in the present life of a process.
func (w *world) every(p *process, d time.Duration, do func()) {
	life := p.life
	w.after(w.between(d/2, d), func() {
		if p.alive && p.life == life {
			w.run(p, life, do)
			w.every(p, d, do)
		}
	})
}

// etcd: leases and the election.

func (w *world) expire() {
	for _, id := range sortedKeys(w.leases) {
		if w.now < w.leases[id] {
			continue
		}
		delete(w.leases, id)
		delete(w.members, id)
		delete(w.kept, id)
		w.say("etcd: lease of node %v has ended", id)
		if w.leader >= 0 {
			p := w.drivers[w.leader]
			w.watch(p, func() {
				if p.directory != nil {
					p.finish(p.directory.Lost(id))
				}
			})
		}
	}
	if w.leader >= 0 && w.now >= w.session {
		w.say("etcd: session of leader %d has ended", w.leader)
		w.leader = -1
	}
	w.after(50*time.Millisecond, w.expire)
}

// watch tells a driver what has happened in etcd, late but in order.
func (w *world) watch(p *pd, do func()) {
	life := p.life
	w.after(100*time.Millisecond, func() { w.run(&p.process, life, do) })
}

func sortedKeys[V any](m map[placement.NodeID]V) []placement.NodeID {
	var keys []placement.NodeID
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// faults

func (w *world) trouble() {
	if w.calm {
		return
	}
	i, j := w.random.IntN(simNodes), w.random.IntN(simDrivers)
	switch w.random.IntN(10) {
	case 0:
		w.crash(&w.nodes[i].process, func() { w.startNode(i) })
	case 1:
		w.crash(&w.drivers[j].process, func() { w.startDriver(j) })
	case 2:
		w.sleep(&w.nodes[i].process)
	case 3:
		w.sleep(&w.drivers[j].process)
	case 4, 5:
		w.cutLink(w.nodes[i].name, w.drivers[j].name)
	case 6:
		w.cutLink(w.drivers[j].name, "etcd")
	case 7, 8:
		w.slowLink(w.nodes[i].name, w.drivers[j].name)
	case 9:
		w.crash(&w.guest.process, w.startGuest)
	}
	w.after(w.between(100*time.Millisecond, 4*time.Second), w.trouble)
}

func (w *world) crash(p *process, restart func()) {
	if !p.alive {
		return
	}
	w.say("%s crashes", p.name)
	p.alive = false
	p.life++
	w.after(w.between(0, 8*time.Second), func() {
		w.say("%s starts", p.name)
		restart()
	})
}

func (w *world) sleep(p *process) {
	if !p.alive || p.asleep {
		return
	}
	w.say("%s sleeps", p.name)
	p.asleep = true
	life := p.life
	w.after(w.between(0, 12*time.Second), func() {
		if p.life != life {
			return
		}
		w.say("%s wakes", p.name)
		p.asleep, w.changed = false, true
		later := p.later
		p.later = nil
		for _, do := range later {
			w.run(p, life, do)
		}
	})
}

func (w *world) cutLink(a, b string) {
	links := [][2]string{{a, b}, {b, a}}
	if w.chance(2) {
		links = links[:1]
	}
	for _, l := range links {
		w.cut[l] = true
	}
	w.say("cut %v", links)
	w.after(w.between(0, 10*time.Second), func() {
		for _, l := range links {
			delete(w.cut, l)
		}
	})
}

// slowLink makes all messages from one process to another one late.
func (w *world) slowLink(a, b string) {
	if w.chance(2) {
		a, b = b, a
	}
	w.slow[[2]string{a, b}] = true
	w.say("%s hears %s late", b, a)
	w.after(w.between(time.Second, 15*time.Second), func() { delete(w.slow, [2]string{a, b}) })
}

func newWorld(seed uint64, verbose bool, flaws flaws) *world {
	w := &world{
		verbose: verbose, flaws: flaws, random: rand.New(rand.NewPCG(seed, 1)), leader: -1,
		leases: make(map[placement.NodeID]time.Duration), members: make(map[placement.NodeID]placement.Member),
		cut: make(map[[2]string]bool), slow: make(map[[2]string]bool), epochs: make(map[driver.Held]placement.NodeID), newest: make(map[mallee.ID]uint64),
		kept: make(map[placement.NodeID]map[mallee.ID]uint64), guests: make(map[placement.NodeID]bool), answered: make(map[mallee.ID]placement.Grant),
		guest: &guest{process: process{name: "guest"}},
	}
	for i := range w.drivers {
		w.drivers[i] = &pd{process: process{name: fmt.Sprint("pd", i)}}
		w.startDriver(i)
	}
	for i := range w.nodes {
		// Clocks of which one runs at most a ninth faster than another one.
		w.nodes[i] = &host{process: process{name: fmt.Sprint("host", i)}, rate: 0.95 + 0.1*w.random.Float64(), offset: w.between(0, time.Hour)}
		w.startNode(i)
	}
	w.startGuest()
	w.after(0, w.expire)
	w.after(5*time.Second, w.trouble)
	return w
}

func (w *world) runUntil(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end && w.failure == "" {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
		if w.changed {
			w.changed = false
			w.check()
		}
	}
	w.now = end
}
