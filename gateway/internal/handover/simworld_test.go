package handover_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// world is everything, in one thread.
type world struct {
	random *rand.Rand
	now    time.Duration
	queue  events
	seq    int
	calm   bool // no more faults

	bounds stream.Bounds
	waits  stream.Queue
	holds  handover.Bounds

	nodes   []*node // each has a gateway
	lastID  placement.NodeID
	lastAt  map[placement.NodeID]uint64
	links   map[[2]placement.NodeID]*link
	clients []*client
	actors  []*actor
	epochs  uint64
	begun   []time.Duration // of epochs
	senders int
	flaws   flaws

	failure string
	verbose bool
	log     []string

	sum figures
}

// figures say what the seeds have met.
type figures map[string]int

// wanted is what they have to meet.
var wanted = strings.Fields("sent received lost upward unsure resumed epochs taken redirected flushes missing unknown deaths retired slow superseded")

// flaws are what the design must not have: each one has to be found.
type flaws struct {
	unheld     bool // what comes directly is not held
	unmarked   bool // a node goes on sending to the old place behind its marker
	silent     bool // the death of a gateway that was forwarding is not told to clients
	repeats    bool // a call that may have run is repeated
	impatient  bool // a session is given away while a call of it runs
	posthumous bool // a session is given to a gateway that has died since it asked
	late       bool // a session is given to an older attempt of the client
	unrestored bool // what waited for the actor is not given to the next gateway
}

// link is the connection of two nodes, in one direction. It keeps order, and
// loses nothing before the death of one of them.
type link struct {
	last    time.Duration
	stalled time.Duration
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
	if w.verbose {
		w.log = append(w.log, fmt.Sprintf("%8.3f  ", w.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.say("FAILURE: %s", w.failure)
	}
}

func (w *world) chance(one int) bool { return w.random.IntN(one) == 0 }

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

// delay of a message: mostly short.
func (w *world) delay() time.Duration {
	if !w.calm && w.chance(25) {
		return w.between(0, 2*time.Second)
	}
	return w.between(100*time.Microsecond, 20*time.Millisecond)
}

// node is a process with a gateway and actors. A new life is a new node.
type node struct {
	id       placement.NodeID
	alive    bool
	draining bool
	lost     map[placement.NodeID]bool // nodes that it knows to be gone
	moved    *sessions.Relocations
	gate     *gate
	attached map[uint64]attachment // by session ID, of the actors here
	calls    map[int]func(reply string)
	called   map[int]placement.NodeID // by the keys of calls
	asked    map[int]func(answer any)
	tickets  int
}

// attachment is what an activation knows of a session.
type attachment struct{ at, attempt uint64 }

func (w *world) node(id placement.NodeID) *node {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

func (w *world) live() []*node {
	var live []*node
	for _, n := range w.nodes {
		if n.alive {
			live = append(live, n)
		}
	}
	return live
}

func (w *world) start() *node {
	w.lastID++
	n := &node{
		id: w.lastID, alive: true, lost: make(map[placement.NodeID]bool), moved: sessions.NewRelocations(1000),
		attached: make(map[uint64]attachment), calls: make(map[int]func(string)), called: make(map[int]placement.NodeID), asked: make(map[int]func(any)),
	}
	for _, other := range w.nodes {
		if !other.alive {
			n.lost[other.id] = true
		}
	}
	n.gate = newGate(w, n)
	w.nodes = append(w.nodes, n)
	return n
}

// send lets a message travel from node to node. What a dead node has sent
// arrives until its death is known.
func (w *world) send(from, to placement.NodeID, do func(n *node)) {
	w.sendOr(from, to, do, func(bool) {})
}

// sendOr says also if a message has been lost with a node: with its sender, or
// with the one that it was for.
func (w *world) sendOr(from, to placement.NodeID, do func(n *node), lost func(withSender bool)) {
	l := w.links[[2]placement.NodeID{from, to}]
	if l == nil {
		l = &link{}
		w.links[[2]placement.NodeID{from, to}] = l
	}
	at := w.now + w.delay()
	if from == to {
		at = w.now
	}
	l.last = max(l.last, at, l.stalled)
	w.after(l.last-w.now, func() {
		n := w.node(to)
		switch {
		case !n.alive:
			lost(false)
		case n.lost[from]:
			lost(true)
		default:
			do(n)
		}
	})
}

func (w *world) kill(n *node) {
	w.say("node %d dies", n.id)
	w.sum["deaths"]++
	n.alive = false
	for _, c := range w.clients {
		if c.conn != nil && c.conn.gate == n.gate {
			w.hangUp(c.conn, w.between(0, time.Second), 0)
		}
	}
	for _, other := range w.live() {
		w.after(w.between(0, 3*time.Second), func() { w.gone(other, n.id) })
	}
	for _, a := range w.actors {
		if a.node == n {
			w.after(w.between(time.Second, 3*time.Second), func() { w.place(a) })
		}
	}
	w.after(w.between(0, 4*time.Second), func() { w.start() })
}

func (w *world) gone(n *node, dead placement.NodeID) {
	if !n.alive {
		return
	}
	w.say("node %d hears that %d is dead", n.id, dead)
	n.lost[dead] = true
	n.gate.gone(dead)
}

// trouble.
func (w *world) trouble() {
	if w.calm {
		return
	}
	live := w.live()
	switch w.random.IntN(12) {
	case 0:
		if len(live) > 2 {
			w.kill(live[w.random.IntN(len(live))])
		}
	case 1:
		if n := live[w.random.IntN(len(live))]; len(live) > 2 {
			n.gate.drain()
		}
	case 2, 3, 4:
		a, b := live[w.random.IntN(len(live))].id, live[w.random.IntN(len(live))].id
		if l := w.links[[2]placement.NodeID{a, b}]; l != nil && a != b {
			l.stalled = w.now + w.between(0, 4*time.Second)
			w.say("link %d-%d stalls until %v", a, b, l.stalled)
		}
	case 5, 6, 7, 8:
		if c := w.clients[w.random.IntN(len(w.clients))]; c.conn != nil {
			w.hangUp(c.conn, w.between(0, time.Second), w.between(0, 3*time.Second))
		}
	case 9, 10:
		c := w.clients[w.random.IntN(len(w.clients))]
		c.asleep = w.now + w.between(0, 4*time.Second)
	case 11:
		if a := w.actors[w.random.IntN(len(w.actors))]; a.node.alive {
			w.place(a)
		}
	}
	w.after(w.between(10*time.Millisecond, 1500*time.Millisecond), w.trouble)
}

// Conns of clients.

// conn is a client's connection: two directions, each of which keeps order.
type conn struct {
	client    *client
	gate      *gate
	session   *session
	open      bool // neither end has closed it, so that frames arrive
	clientHas bool // the client's end
	gateHas   bool // the gateway's end
	down, up  time.Duration
	inbox     []func() // arrived, not read by the client
	credit    int      // frames that the pipe still takes downward
}

func (w *world) toClient(c *conn, do func()) {
	c.down = max(c.down, w.now+w.delay())
	w.after(c.down-w.now, func() {
		c.inbox = append(c.inbox, do)
		w.read(c)
	})
}

// read waits while the client does not read.
func (w *world) read(c *conn) {
	for len(c.inbox) > 0 && c.open && c.clientHas && c.client.conn == c {
		if c.client.asleep > w.now {
			w.after(c.client.asleep-w.now, func() { w.read(c) })
			return
		}
		do := c.inbox[0]
		c.inbox = c.inbox[1:]
		do()
	}
}

func (w *world) toGate(c *conn, do func()) {
	c.up = max(c.up, w.now+w.delay())
	w.after(c.up-w.now, func() {
		if c.open && c.gateHas && c.gate.node.alive {
			do()
		}
	})
}

// hangUp breaks a connection: from now on nothing arrives, and the ends notice
// after a time each.
func (w *world) hangUp(c *conn, client, gate time.Duration) {
	c.open = false
	w.after(client, func() {
		if c.clientHas {
			c.clientHas = false
			w.clientLost(c)
		}
	})
	w.after(gate, func() {
		if c.gateHas {
			c.gateHas = false
			c.gate.connLost(c)
		}
	})
}

func (w *world) runUntil(end time.Duration) {
	for len(w.queue) > 0 && w.queue[0].at <= end && w.failure == "" {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func sortedKeys[K ~uint64 | ~int, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
