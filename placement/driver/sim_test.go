package driver_test

import (
	"container/heap"
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

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// The simulation runs directories and holders in a world of one thread and one
// seed: processes crash and sleep, clocks run at different rates, messages are
// lost, late, repeated and out of order, links are cut in one direction or both,
// and leaders are replaced while they still believe in themselves. After every
// event no two nodes may hold one actor.

const (
	simTTL      = 5 * time.Second // of nodes' leases
	simSession  = 3 * time.Second // of the leader's
	simNodes    = 5
	simDrivers  = 3
	simActors   = 6
	simTrouble  = 60 * time.Second // then all faults end
	simRecovery = 60 * time.Second // and all has to be well after that
)

// world is everything.
type world struct {
	random  *rand.Rand
	now     time.Duration
	queue   events
	seq     int
	changed bool // who holds what, since the last check
	verbose bool
	log     []string
	failure string

	// What etcd knows; it is right and in one place.
	leader     int // of the drivers; -1: none
	session    time.Duration
	term       uint64
	leases     map[placement.NodeID]time.Duration // until when
	members    map[placement.NodeID]placement.Member
	lastID     placement.NodeID
	drivers    [simDrivers]*pd
	nodes      [simNodes]*host
	cut        map[[2]string]bool
	slow       map[[2]string]bool
	calm       bool
	epochs     map[driver.Held]placement.NodeID // which node held it
	newest     map[mallee.ID]uint64             // that the store has seen
	handovers  int
	writes     int
	terms      int
	refusals   int
	fencedSelf int
}

// process is a thing that can crash and sleep.
type process struct {
	name   string
	alive  bool
	life   int // counts crashes, so that what was meant for an earlier life is lost
	asleep bool
	later  []func() // what arrived while it slept
}

// pd is a process of the placement driver.
type pd struct {
	process
	directory *driver.Directory // nil when it does not take itself for the leader
	tickets   map[uint64]func(driver.Answer)
	last      uint64
}

// host is a node.
type host struct {
	process
	rate   float64
	offset time.Duration
	id     placement.NodeID
	holder *driver.Holder
	asks   map[uint64]time.Duration // by ticket, when it was asked
	knows  int                      // the driver that it takes for the leader
}

func (h *host) clock(w *world) time.Duration {
	return h.offset + time.Duration(float64(w.now)*h.rate)
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

// drivers

func (w *world) startDriver(i int) {
	p := w.drivers[i]
	p.alive, p.asleep, p.later = true, false, nil
	p.directory, p.tickets = nil, make(map[uint64]func(driver.Answer))
	w.every(&p.process, 500*time.Millisecond, func() {
		if w.cut[[2]string{p.name, "etcd"}] {
			return
		}
		switch w.leader {
		case i:
			if p.directory != nil { // a process that has started anew has another session
				w.session = w.now + simSession
			}
		case -1:
			w.elect(i)
		default:
			if p.directory != nil && w.chance(3) { // it learns late that it is no longer the leader
				w.say("%s steps down from term %d", p.name, p.directory.Term())
				p.directory = nil
			}
		}
		if w.calm || w.chance(3) {
			p.askReports(w)
		}
	})
}

func (w *world) elect(i int) {
	p := w.drivers[i]
	w.term++
	w.terms++
	w.leader, w.session = i, w.now+simSession
	var live []placement.Member
	for _, id := range sortedKeys(w.members) {
		live = append(live, w.members[id])
	}
	p.directory = driver.NewDirectory(w.term, live, driver.TwoChoices(w.random))
	p.tickets = make(map[uint64]func(driver.Answer))
	w.say("%s leads term %d over %d members", p.name, w.term, len(live))
}

func (p *pd) finish(answers []driver.Answer) {
	for _, a := range answers {
		if reply := p.tickets[a.Ticket]; reply != nil {
			delete(p.tickets, a.Ticket)
			reply(a)
		}
	}
}

// askReports asks those who are silent, again and again.
func (p *pd) askReports(w *world) {
	if p.directory == nil {
		return
	}
	d, term := p.directory, p.directory.Term()
	for _, id := range d.Silent() {
		for _, h := range w.nodes {
			if h.id != id {
				continue
			}
			w.send(&p.process, &h.process, func() {
				if h.id != id || h.holder == nil {
					return
				}
				held, ok := h.holder.Report(term)
				if !ok {
					return
				}
				if w.calm || w.chance(3) { // it may go on asking the leader before
					h.knows = slices.Index(w.drivers[:], p)
				}
				w.say("%s reports %d grants to term %d", h.name, len(held), term)
				arrive := func() {
					w.send(&h.process, &p.process, func() {
						if p.directory == d {
							p.finish(d.Report(id, held))
						}
					})
				}
				if w.calm || w.chance(2) {
					arrive()
				} else { // a long one, in many pieces
					w.after(w.between(0, 4*time.Second), arrive)
				}
			})
		}
	}
}

// nodes

func (w *world) startNode(i int) {
	h := w.nodes[i]
	h.alive, h.asleep, h.later, h.id, h.holder = true, false, nil, 0, nil
	h.asks = make(map[uint64]time.Duration)
	w.every(&h.process, simTTL/3, func() { w.renew(h) })
	w.every(&h.process, 200*time.Millisecond, func() { w.work(h) })
}

// leaderFor is the driver that a node asks.
func (w *world) leaderFor(h *host) *pd {
	p := w.drivers[h.knows]
	if p.directory == nil || !w.calm && w.chance(6) { // any that takes itself for the leader may be asked
		h.knows = w.random.IntN(simDrivers)
	}
	return p
}

func (w *world) renew(h *host) {
	p, sent := w.leaderFor(h), h.clock(w)
	if h.id == 0 {
		w.join(h, p, sent)
		return
	}
	if w.fence(h) {
		return
	}
	id, holder := h.id, h.holder
	w.send(&h.process, &p.process, func() {
		if p.directory == nil || w.cut[[2]string{p.name, "etcd"}] {
			return
		}
		if _, ok := w.leases[id]; !ok {
			return
		}
		w.leases[id] = w.now + simTTL
		w.send(&p.process, &h.process, func() {
			if h.holder == holder {
				holder.Renewed(sent, simTTL)
			}
		})
	})
}

func (w *world) join(h *host, p *pd, sent time.Duration) {
	life := h.life
	w.send(&h.process, &p.process, func() {
		// One transaction of etcd, which only the leader's session can do.
		if p.directory == nil || w.leader != slices.Index(w.drivers[:], p) || w.cut[[2]string{p.name, "etcd"}] {
			return
		}
		w.lastID++
		id, term := w.lastID, p.directory.Term()
		m := placement.Member{ID: id, Name: h.name, Types: []placement.Type{{Name: "A"}}}
		w.leases[id], w.members[id] = w.now+simTTL, m
		p.finish(p.directory.Join(m))
		w.say("%s: node %v is %s, in term %d", p.name, id, h.name, term)
		w.send(&p.process, &h.process, func() {
			if h.life == life && h.id == 0 {
				h.id, h.holder = id, driver.NewHolder(term, sent, simTTL)
				h.asks = make(map[uint64]time.Duration)
			}
		})
	})
}

// fence ends a node's membership when its lease may have ended.
func (w *world) fence(h *host) bool {
	if h.holder == nil || !h.holder.Fenced(h.clock(w)) {
		return h.holder == nil
	}
	w.say("%s (node %v) fences itself", h.name, h.id)
	w.fencedSelf++
	h.id, h.holder = 0, nil
	return true
}

var actors = func() (ids [simActors]mallee.ID) {
	for i := range ids {
		ids[i] = mallee.ID{Type: "A", Key: strconv.Itoa(i)}
	}
	return ids
}()

// work uses actors, ends some and tells of those that have ended.
func (w *world) work(h *host) {
	if w.fence(h) {
		return
	}
	for ticket, since := range h.asks {
		if w.now-since > 4*time.Second { // the answer is of no use any more
			h.holder.Forget(ticket)
			delete(h.asks, ticket)
		}
	}
	id := actors[w.random.IntN(simActors)]
	switch epoch := h.holder.Holds(id); {
	case epoch != 0 && w.chance(4):
		h.holder.Release(id, epoch)
		w.say("%s releases %s epoch %d", h.name, id.Key, epoch)
	case epoch != 0:
		w.write(h, id, epoch)
	default:
		w.locate(h, id)
	}
	for _, r := range h.holder.Unsettled() {
		w.release(h, r)
	}
}

func (w *world) release(h *host, r driver.Held) {
	p, holder, me := w.leaderFor(h), h.holder, h.id
	to := placement.NodeID(0)
	if w.chance(2) && w.lastID > 0 {
		to = 1 + placement.NodeID(w.random.IntN(int(w.lastID)))
	}
	w.send(&h.process, &p.process, func() {
		if p.directory == nil {
			return
		}
		term := p.directory.Term()
		if !p.directory.Release(r.ID, placement.Grant{Node: me, Epoch: r.Epoch}, to) {
			w.refusals++
			return
		}
		w.send(&p.process, &h.process, func() {
			if h.holder == holder {
				holder.Released(term, r.ID, r.Epoch)
			}
		})
	})
}

func (w *world) locate(h *host, id mallee.ID) {
	p, holder, me := w.leaderFor(h), h.holder, h.id
	ticket := holder.Ask(id)
	h.asks[ticket] = w.now
	w.send(&h.process, &p.process, func() {
		d := p.directory
		if d == nil {
			return
		}
		reply := func(a driver.Answer) {
			w.send(&p.process, &h.process, func() {
				if h.holder != holder {
					return
				}
				delete(h.asks, ticket)
				if a.Err != nil || a.Grant.Node != me {
					holder.Forget(ticket)
					return
				}
				if w.fence(h) {
					return
				}
				if holder.Answer(ticket, d.Term(), a.Grant.Epoch, h.clock(w)) {
					w.say("%s (node %v) holds %s, epoch %d of term %d", h.name, me, id.Key, a.Grant.Epoch%(1<<40), d.Term())
					w.handovers++
					w.changed = true
				}
			})
		}
		p.last++
		p.tickets[p.last] = reply
		if a, done := d.Locate(p.last, id); done {
			p.finish([]driver.Answer{a})
		}
	})
}

// write is what an activation does with the right to it.
func (w *world) write(h *host, id mallee.ID, epoch uint64) {
	if epoch < w.newest[id] {
		w.fail("%s would write %s with epoch %d after %d", h.name, id.Key, epoch, w.newest[id])
	}
	w.newest[id] = epoch
	w.writes++
}

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
		for _, h := range w.nodes {
			if !h.alive || h.asleep || h.holder == nil || h.holder.Holds(id) == 0 || h.clock(w) >= h.holder.Deadline() {
				continue
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

// faults

func (w *world) trouble() {
	if w.calm {
		return
	}
	i, j := w.random.IntN(simNodes), w.random.IntN(simDrivers)
	switch w.random.IntN(9) {
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

func newWorld(seed uint64, verbose bool) *world {
	w := &world{
		verbose: verbose, random: rand.New(rand.NewPCG(seed, 1)), leader: -1,
		leases: make(map[placement.NodeID]time.Duration), members: make(map[placement.NodeID]placement.Member),
		cut: make(map[[2]string]bool), slow: make(map[[2]string]bool), epochs: make(map[driver.Held]placement.NodeID), newest: make(map[mallee.ID]uint64),
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

// simulate runs one seed and says what went wrong, or nothing.
func simulate(seed uint64, verbose bool) *world {
	w := newWorld(seed, verbose)
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
		if a, done := d.Locate(1<<60+uint64(i), id); !done || a.Err != nil {
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
				sum.refusals, sum.fencedSelf = sum.refusals+w.refusals, sum.fencedSelf+w.fencedSelf
				mu.Unlock()
			}
		})
	}
	runners.Wait()
	if failed >= 0 {
		w := simulate(uint64(failed), true)
		t.Fatalf("seed %d: %s\n%s", failed, w.failure, strings.Join(w.log, "\n"))
	}
	t.Logf("%d seeds: %d grants taken, %d writes, %d terms, %d releases put off, %d nodes fenced themselves", seeds, sum.handovers, sum.writes, sum.terms, sum.refusals, sum.fencedSelf)
	if sum.handovers < 20*seeds || sum.terms < 2*seeds || sum.fencedSelf < seeds/2 {
		t.Error("too little has happened for the simulation to mean something")
	}
}

func setting(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
