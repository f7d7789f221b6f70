package driver_test

import (
	"maps"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// guest is a foreign host: it knows nothing of grants and terms, and runs what
// others find at its address, as long as it lives. What it has stands in etcd,
// under its lease, before anybody is told.
type guest struct {
	process
	id placement.NodeID
}

// write is a guest's grant on its way to etcd, and who waits for it.
type write struct {
	epoch   uint64
	waiting []func()
}

func (w *world) startGuest() {
	g := w.guest
	g.alive, g.asleep, g.later, g.id = true, false, nil, 0
	w.every(&g.process, simTTL/3, func() { w.renewGuest(g) })
}

func (w *world) renewGuest(g *guest) {
	p := w.drivers[w.random.IntN(simDrivers)]
	w.send(&g.process, &p.process, func() {
		d := p.directory
		if w.cut[[2]string{p.name, "etcd"}] {
			return
		}
		if _, live := w.leases[g.id]; live { // any process can prolong it
			w.leases[g.id] = w.now + simTTL
			if d != nil {
				d.Renew(g.id, driver.Status{Load: w.random.IntN(4) - 1})
			}
			return
		}
		if d == nil || d.Term() != w.term {
			return
		}
		w.lastID++
		g.id = w.lastID
		w.guests[g.id] = true
		m := placement.Member{ID: g.id, Name: g.name, Types: simTypes[1:], Since: w.wall(), Foreign: true}
		w.leases[g.id], w.members[g.id], w.kept[g.id] = w.now+simTTL, m, make(map[mallee.ID]uint64)
		w.say("%s: node %v is %s", p.name, g.id, g.name)
		w.watch(p, func() {
			if p.directory == d {
				p.finish(d.Join(m))
			}
		})
	})
}

// recoverGuests reports for those who cannot.
func (w *world) recoverGuests(p *pd) {
	p.kept, p.writes = make(map[mallee.ID]uint64), make(map[mallee.ID]*write)
	for _, id := range sortedKeys(w.kept) {
		var held []driver.Held
		for actor, epoch := range w.kept[id] {
			held = append(held, driver.Held{ID: actor, Epoch: epoch})
		}
		maps.Copy(p.kept, w.kept[id])
		p.directory.Report(id, held, true)
	}
}

// keep lets an answer go once etcd has the grant that it tells of.
func (w *world) keep(p *pd, id mallee.ID, g placement.Grant, reply func()) {
	told := func() {
		w.answered[id], w.changed = g, true
		reply()
	}
	switch on := p.writes[id]; {
	case p.kept[id] == g.Epoch || w.flaws.forgetful:
		told()
	case on != nil && on.epoch == g.Epoch:
		on.waiting = append(on.waiting, told)
	default:
		p.writes[id] = &write{g.Epoch, []func(){told}}
		w.writeGrant(p, p.directory, id, g)
	}
}

// writeGrant tries until the grant is kept, the guest is gone or another process leads.
func (w *world) writeGrant(p *pd, d *driver.Directory, id mallee.ID, g placement.Grant) {
	life := p.life
	again := func(do func()) {
		w.after(w.between(0, 100*time.Millisecond), func() {
			w.run(&p.process, life, func() {
				if on := p.writes[id]; p.directory == d && on != nil && on.epoch == g.Epoch {
					do()
				}
			})
		})
	}
	again(func() {
		switch _, live := w.leases[g.Node]; {
		case w.cut[[2]string{p.name, "etcd"}]:
			w.writeGrant(p, d, id, g)
		case d.Term() != w.term:
			p.directory = nil
		case !live:
			delete(p.writes, id)
		default:
			w.kept[g.Node][id] = g.Epoch
			again(func() { // the answer of etcd
				p.kept[id] = g.Epoch
				done := p.writes[id].waiting
				delete(p.writes, id)
				for _, tell := range done {
					tell()
				}
			})
		}
	})
}
