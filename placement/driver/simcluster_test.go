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
	p.directory = driver.NewDirectory(w.term, live, w.random)
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
				sortHeld(held)
				w.say("%s reports %d grants to term %d", h.name, len(held), term)
				arrive := func() {
					w.send(&h.process, &p.process, func() {
						if p.directory == d {
							p.finish(d.Report(id, held, true))
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
