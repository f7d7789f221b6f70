package driver_test

import (
	"slices"
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
	kept      map[mallee.ID]uint64 // epochs of guests' grants that etcd has
	writes    map[mallee.ID]*write // and has yet to get
}

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
		if p.directory == nil {
			return
		}
		p.directory.Advance(w.wall())
		if w.calm || w.chance(3) {
			p.askReports(w)
		}
		p.rebalance(w)
	})
}

// wall is what drivers have for a clock; only ages of members depend on it.
func (w *world) wall() time.Time { return time.Unix(0, 0).Add(w.now) }

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
	p.directory.SetSettings(driver.Settings{Settle: 2 * time.Second})
	p.tickets = make(map[uint64]func(driver.Answer))
	w.recoverGuests(p)
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

// checkAble checks that a node that gets something new may get it.
func (w *world) checkAble(d *driver.Directory, id mallee.ID, to placement.NodeID) {
	for _, c := range d.Consider(id) {
		if c.Node == to && c.Able {
			return
		}
	}
	w.fail("%s goes to node %v: %+v", id, to, d.Consider(id))
}

// askReports asks those who are silent, again and again.
func (p *pd) askReports(w *world) {
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
				w.report(h, p, d, id, held)
			})
		}
	}
}

// report sends what a node holds in parts, each of them once the one before has
// arrived. The report breaks off where a message is lost.
func (w *world) report(h *host, p *pd, d *driver.Directory, id placement.NodeID, held []driver.Held) {
	part := held[:min(len(held), 2)]
	last := len(part) == len(held)
	send := func() {
		w.send(&h.process, &p.process, func() {
			if p.directory != d {
				return
			}
			p.finish(d.Report(id, part, last))
			if !last {
				w.report(h, p, d, id, held[len(part):])
			}
		})
	}
	if w.calm || w.chance(2) {
		send()
	} else {
		w.after(w.between(0, 4*time.Second), send)
	}
}

// rebalance asks owners to move actors.
func (p *pd) rebalance(w *world) {
	for _, m := range p.directory.Plan(2) {
		w.checkAble(p.directory, m.ID, m.To)
		for _, h := range w.nodes {
			if h.id != m.Grant.Node {
				continue
			}
			w.send(&p.process, &h.process, func() {
				if h.id == m.Grant.Node && !w.fence(h) && h.holder.Holds(m.ID) == m.Grant.Epoch {
					w.say("%s moves %s to node %v", h.name, m.ID.Key, m.To)
					w.moves++
					h.release(driver.Held{ID: m.ID, Epoch: m.Grant.Epoch}, m.To)
				}
			})
		}
	}
}
