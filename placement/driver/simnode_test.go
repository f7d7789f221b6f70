package driver_test

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// host is a node.
type host struct {
	process
	rate   float64
	offset time.Duration
	id     placement.NodeID
	holder *driver.Holder
	asks   map[uint64]time.Duration         // by ticket, when it was asked
	to     map[driver.Held]placement.NodeID // who is to get what was released
	knows  int                              // the driver that it takes for the leader
	cordon bool
}

func (h *host) clock(w *world) time.Duration {
	return h.offset + time.Duration(float64(w.now)*h.rate)
}

func (w *world) startNode(i int) {
	h := w.nodes[i]
	h.alive, h.asleep, h.later, h.id, h.holder = true, false, nil, 0, nil
	h.asks, h.to = make(map[uint64]time.Duration), make(map[driver.Held]placement.NodeID)
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
		d := p.directory
		if d == nil || w.cut[[2]string{p.name, "etcd"}] {
			return
		}
		// One transaction of etcd, on the condition that no later leader was elected.
		if d.Term() != w.term && !w.flaws.unguarded {
			return
		}
		w.lastID++
		id := w.lastID
		m := placement.Member{ID: id, Name: h.name, Types: simTypes, Since: w.wall()}
		w.leases[id], w.members[id] = w.now+simTTL, m
		joined := func() {
			if p.directory != d {
				return
			}
			p.finish(d.Join(m))
			w.say("%s: node %v is %s, in term %d", p.name, id, h.name, d.Term())
			w.send(&p.process, &h.process, func() {
				if h.life == life && h.id == 0 {
					h.id, h.holder = id, driver.NewHolder(d.Term(), sent, simTTL)
					h.asks, h.to = make(map[uint64]time.Duration), make(map[driver.Held]placement.NodeID)
				}
			})
		}
		w.watch(p, joined)
		if later := w.leader; later >= 0 && w.drivers[later] != p {
			w.watch(w.drivers[later], func() {
				if other := w.drivers[later].directory; other != nil {
					w.drivers[later].finish(other.Join(m))
				}
			})
		}
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

// Actors are heavy, so that one more is worth a move. Guests host the last type.
var simTypes = []placement.Type{{Name: "A", Weight: 5}, {Name: "F", Weight: 5}}

var actors = func() (ids [simActors]mallee.ID) {
	for i := range ids {
		ids[i] = mallee.ID{Type: simTypes[i/(simActors-simGuestActors)].Name, Key: strconv.Itoa(i)}
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
	w.tell(h)
	id := actors[w.random.IntN(simActors)]
	switch epoch := h.holder.Holds(id); {
	case epoch != 0 && (h.cordon || w.chance(6)):
		w.handOver(h, driver.Held{ID: id, Epoch: epoch})
	case epoch != 0 && w.chance(4):
		w.say("%s releases %s epoch %d", h.name, id.Key, epoch)
		h.release(driver.Held{ID: id, Epoch: epoch}, w.anyNode())
	case epoch != 0:
		w.write(h, id, epoch)
	default:
		w.locate(h, id)
	}
	unsettled := h.holder.Unsettled()
	sortHeld(unsettled)
	for _, r := range unsettled {
		w.release(h, r)
	}
}

// sortHeld lets a seed do the same each time.
func sortHeld(held []driver.Held) {
	slices.SortFunc(held, func(a, b driver.Held) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
}

// tell says how the node is, now and then with another will.
func (w *world) tell(h *host) {
	if h.cordon {
		h.cordon = !w.calm && !w.chance(20)
	} else {
		h.cordon = !w.calm && w.chance(60)
	}
	p, id, s := w.leaderFor(h), h.id, driver.Status{Cordoned: h.cordon}
	w.send(&h.process, &p.process, func() {
		if p.directory != nil {
			p.directory.Renew(id, s)
		}
	})
}

// handOver asks who could take an actor over, and lets it go there.
func (w *world) handOver(h *host, r driver.Held) {
	p, holder, me := w.leaderFor(h), h.holder, h.id
	w.send(&h.process, &p.process, func() {
		if p.directory == nil {
			return
		}
		to, err := p.directory.Successor(me, r.ID)
		if err != nil {
			return
		}
		if to == me {
			w.fail("node %v is to take %s over from itself", to, r.ID.Key)
		}
		w.checkAble(p.directory, r.ID, to)
		w.send(&p.process, &h.process, func() {
			if h.holder == holder && !w.fence(h) {
				w.say("%s hands %s over to node %v", h.name, r.ID.Key, to)
				h.release(r, to)
			}
		})
	})
}

// release ends an activation; who is to get the next grant may be said.
func (h *host) release(r driver.Held, to placement.NodeID) {
	if h.holder.Holds(r.ID) == r.Epoch {
		h.holder.Release(r.ID, r.Epoch)
		h.to[r] = to
	}
}

// anyNode is one that lives, has lived or does not matter.
func (w *world) anyNode() placement.NodeID { return placement.NodeID(w.random.IntN(int(w.lastID) + 1)) }

func (w *world) release(h *host, r driver.Held) {
	p, holder, me, to := w.leaderFor(h), h.holder, h.id, h.to[r]
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
		for _, next := range w.nodes { // the successor is told that its turn has come
			if next.id == to && to != 0 {
				w.send(&h.process, &next.process, func() {
					if next.id == to && !w.fence(next) {
						w.locate(next, r.ID)
					}
				})
			}
		}
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
		p.tickets[p.last] = func(a driver.Answer) {
			if a.New {
				w.checkAble(d, id, a.Grant.Node)
			}
			if w.guests[a.Grant.Node] {
				w.keep(p, id, a.Grant, func() { reply(a) })
			} else {
				reply(a)
			}
		}
		if a, done := d.Locate(p.last, driver.Question{ID: id}); done {
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
