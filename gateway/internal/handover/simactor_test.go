package handover_test

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

// actor sends to clients, and is bound to some of them.
type actor struct {
	id          mallee.ID
	node        *node
	sender      int         // names it and its life
	numbers     map[int]int // of messages sent in this life, by client
	knows, used map[int]int // places of sessions, by client: the newest one that it knows, and that it has sent to in this life
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// place lets an actor live at a node, in a new life.
func (w *world) place(a *actor) {
	live := w.live()
	if len(live) == 0 {
		w.after(time.Second, func() { w.place(a) })
		return
	}
	if a.node != nil && a.node.alive {
		for _, c := range w.clients {
			if c.actor == a {
				delete(a.node.attached, c.name)
			}
		}
	}
	a.node = live[w.random.IntN(len(live))]
	w.senders++
	a.sender, a.numbers = w.senders, make(map[int]int)
	a.used = maps.Clone(a.knows)
	for _, id := range sortedKeys(a.used) {
		a.used[id] = w.random.IntN(a.used[id] + 1) // what it has saved
	}
	w.say("%s is at node %d as sender %d", a.id.Key, a.node.id, a.sender)
}

// call is a call of an actor: its node answers, or dies.
func (w *world) call(from *node, a *actor, run func(*node) string, done func(reply string)) {
	if !from.alive {
		return
	}
	if !a.node.alive || from.lost[a.node.id] {
		w.after(100*time.Millisecond, func() { w.call(from, a, run, done) })
		return
	}
	to := a.node
	from.tickets++
	ticket := from.tickets
	from.calls[ticket], from.called[ticket] = done, to.id
	w.send(from.id, to.id, func(n *node) {
		reply := "elsewhere"
		if a.node == n {
			reply = run(n)
		}
		w.send(n.id, from.id, func(*node) {
			if do := from.calls[ticket]; do != nil {
				delete(from.calls, ticket)
				if reply == "elsewhere" {
					w.call(from, a, run, done)
				} else {
					do(reply)
				}
			}
		})
	})
}

// run is a message of the client in the actor.
func (c *client) run(number int, attempt uint64) {
	w := c.world
	w.sum["upward"]++
	// A session that has lost its client by two failures at once may be announced
	// to an activation that does not know of the later one.
	if attempt < c.attempt {
		w.sum["stale"]++
		c.unsure++
		return
	}
	c.attempt = attempt
	if n := len(c.ran); n > 0 && c.ran[n-1] >= number {
		w.fail("message %d of client %d has run after %d", number, c.id, c.ran[n-1])
	}
	c.ran = append(c.ran, number)
}

// tell lets all actors know some time where a session is.
func (w *world) tell(c *client, at uint64) {
	place := slices.Index(c.places, at)
	for _, a := range w.actors {
		d := time.Duration(0)
		if a != c.actor {
			d = w.between(0, 3*time.Second)
		}
		w.after(d, func() { a.knows[c.id] = max(a.knows[c.id], place) })
	}
}

// moved tells the actors of a node.
func (w *world) moved(n *node, from, to uint64) {
	w.learn(n, from, to)
	for _, c := range w.clients {
		for _, a := range w.actors {
			if place := slices.Index(c.places, to); a.node == n && place >= 0 {
				a.knows[c.id] = max(a.knows[c.id], place)
			}
		}
	}
}

func (w *world) learn(n *node, from, to uint64) {
	if !w.flaws.unmarked {
		n.moved.Learn(from, to)
	}
}

// flush is the order of a gateway to a node.
func (w *world) flush(n *node, from, to uint64) {
	w.learn(n, from, to)
	w.send(n.id, handover.NodeOf(from), func(other *node) {
		other.gate.order(n.id, from, handover.Order{Kind: handover.Marker, Origin: n.id}, &sent{})
	})
}

// push sends a message of the actor to a client.
func (w *world) push(a *actor, c *client) {
	if !a.node.alive || len(c.places) == 0 {
		return
	}
	// An actor may go on with an old value; having used a newer one it does not
	// go back.
	if w.chance(2) {
		a.used[c.id] += w.random.IntN(a.knows[c.id] - a.used[c.id] + 1)
	}
	at := c.places[a.used[c.id]]
	n := a.node
	at = n.moved.Now(at)
	gate := handover.NodeOf(at)
	if n.lost[gate] {
		return // Send returns an error
	}
	a.numbers[c.id]++
	sender, number := a.sender, a.numbers[c.id]
	s := &sent{at: w.now}
	if len(c.sends[sender]) == 0 {
		c.sends[sender] = []*sent{{refused: true}}
	}
	c.sends[sender] = append(c.sends[sender], s)
	w.sum["sent"]++
	w.say("sender %d: message %d for client %d to %d", sender, number, c.id, at)
	order := handover.Order{
		Kind: handover.Push, Origin: n.id,
		Frame: &carrier.Outgoing{Frame: carrier.Frame{Kind: edge.KindBinary, Data: payload(sender, number)}},
	}
	w.sendOr(n.id, gate, func(other *node) { other.gate.order(n.id, at, order, s) }, func(withSender bool) {
		s.refused, s.cutOff = !withSender, withSender
	})
}

func (w *world) act(a *actor) {
	if w.ended() {
		return
	}
	for range 1 + w.random.IntN(3) {
		w.push(a, w.clients[w.random.IntN(len(w.clients))])
	}
	w.after(w.between(time.Millisecond, 150*time.Millisecond), func() { w.act(a) })
}

func (w *world) liveIDs() []placement.NodeID {
	var ids []placement.NodeID
	for _, n := range w.live() {
		ids = append(ids, n.id)
	}
	return ids
}
