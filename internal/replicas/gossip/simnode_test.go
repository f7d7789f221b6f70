package gossip_test

import (
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// proc is a process, and those that follow it after crashes.
type proc struct {
	name  string
	world *simWorld
	life  int // counts crashes, so that what was meant for an earlier life is lost
	alive bool

	node    gossip.Peer
	listed  bool // it knows that it is alive
	id      crdt.ReplicaID
	values  *gossip.Values
	machine *gossip.Machine // nil: it is no replica yet
	tickAt  time.Duration
	waits   []*change // for more than this node
	asks    []ask
	leaving bool
}

// ask is a question to a majority.
type ask struct {
	number uint64
	at     time.Duration
	need   []crdt.Dot // what its answer must not lack
}

func (w *simWorld) start(p *proc) {
	if p.alive {
		return
	}
	p.alive, p.leaving = true, false
	p.values, p.machine = gossip.NewValues(func() int64 { return int64(w.now / time.Millisecond) }), nil
	p.waits, p.asks = nil, nil
	p.register()
	p.join()
	p.every(20*time.Millisecond, 250*time.Millisecond, p.work)
	p.every(300*time.Millisecond, 600*time.Millisecond, p.flush)
}

func (w *simWorld) crash(p *proc) {
	if !p.alive {
		return
	}
	w.say("%s crashes", p.name)
	w.sum["crashes"]++
	p.end()
	node := p.node
	w.after(w.between(0, simLag), func() { w.expire(node) })
}

// end ends a process; another one starts later.
func (p *proc) end() {
	if p.machine != nil {
		p.count()
	}
	p.alive, p.listed, p.machine = false, false, nil
	p.life++
	p.world.after(p.world.between(0, 3*time.Second), func() { p.world.start(p) })
}

func (w *simWorld) expire(node gossip.Peer) {
	if w.live[node] != nil {
		delete(w.live, node)
		w.relist()
	}
}

// every repeats something in the present life of a process.
func (p *proc) every(least, most time.Duration, do func()) {
	life := p.life
	p.world.after(p.world.between(least, most), func() {
		if p.life == life {
			do()
			p.every(least, most, do)
		}
	})
}

func (p *proc) register() {
	w := p.world
	w.lastPeer++
	p.node = w.lastPeer
	w.live[p.node] = p
	w.say("%s is node %d", p.name, p.node)
	w.relist()
}

// look looks who is alive.
func (p *proc) look() {
	w := p.world
	p.listed = p.alive && w.live[p.node] == p
	if p.machine == nil {
		return
	}
	var live []gossip.Peer
	for node := range w.live {
		live = append(live, node)
	}
	slices.Sort(live)
	p.machine.Members(w.now, live)
	p.soon()
}

// join asks the keeper for an ID until there is one.
func (p *proc) join() {
	w, life := p.world, p.life
	if p.machine != nil {
		return
	}
	if p.listed {
		w.call(p, func(k *keeper) func() {
			if k.at == p {
				return nil // it has begun with the store's
			}
			id, source := k.newID(), k.at.node
			return func() {
				if p.machine == nil {
					p.begin(id)
					p.machine.Fetch(w.now, source)
					p.drain()
				}
			}
		})
	}
	w.after(w.between(50*time.Millisecond, 300*time.Millisecond), func() {
		if p.life == life {
			p.join()
		}
	})
}

func (p *proc) begin(id crdt.ReplicaID) {
	p.id = id
	p.machine = gossip.NewMachine(p.world.config, p.node, id, p.values)
	p.world.say("%s is replica %d", p.name, id)
	p.world.sum["replicas"]++
	p.tickAt = 0
	p.look()
}

// loseLease makes the process another node after a while.
func (p *proc) loseLease() {
	w, life := p.world, p.life
	if !p.alive || w.live[p.node] != p {
		return
	}
	w.say("%s loses its lease", p.name)
	w.sum["leases"]++
	w.expire(p.node)
	most := simLag
	if w.chance(2) {
		most = 5 * simRemove
	}
	w.after(w.between(0, most), func() {
		if p.life != life {
			return
		}
		if p.machine != nil {
			p.machine.Members(w.now, nil) // it says nothing before the keeper has been asked
		}
		p.register()
		p.rejoin(p.node)
	})
}

// rejoin asks the keeper whether this is a replica still.
func (p *proc) rejoin(node gossip.Peer) {
	w, life := p.world, p.life
	if p.node != node || p.machine == nil {
		return
	}
	id, done := p.id, false
	w.call(p, func(k *keeper) func() {
		here := slices.Contains(w.store.given, id)
		if here {
			k.at.machine.Returned(id)
		}
		return func() {
			if p.id != id || p.node != node || p.machine == nil {
				return
			}
			if done = true; !here {
				p.removed()
				return
			}
			p.machine.Rename(node)
			p.look()
		}
	})
	w.after(w.between(50*time.Millisecond, 300*time.Millisecond), func() {
		if p.life == life && !done {
			p.rejoin(node)
		}
	})
}

// removed makes the process begin anew.
func (p *proc) removed() {
	p.world.say("%s finds out that replica %d has been removed", p.name, p.id)
	p.world.sum["came back"]++
	p.values.Reset()
	p.machine, p.waits, p.asks = nil, nil, nil
	p.join()
}

// leave stops the process in an orderly way.
func (p *proc) leave() {
	w, life := p.world, p.life
	if p.machine == nil || !p.machine.Synced() || p.leaving {
		return
	}
	w.say("%s leaves", p.name)
	p.leaving = true
	p.machine.Leave(w.now)
	p.soon()
	end := w.now + w.between(0, 3*time.Second)
	var wait func()
	wait = func() {
		if p.life != life {
			return
		}
		if p.machine != nil {
			c := p.values.Clock()
			have, members := p.machine.Reached(c.Seen(p.id))
			if store := p.machine.StoreHas(); w.now < end && (have < members || !store.Covers(crdt.Dot{Replica: p.id, Seq: c.Seen(p.id)})) {
				w.after(10*time.Millisecond, wait)
				return
			}
		}
		w.say("%s has left", p.name)
		if p.machine != nil && w.now < end {
			w.acked = append(w.acked, &change{at: crdt.Dot{Replica: p.id, Seq: ptr(p.values.Clock()).Seen(p.id)}, what: "all of a replica that has left"})
		}
		w.sum["leaves"]++
		node := p.node
		p.end()
		w.expire(node)
	}
	wait()
}

// flush makes what is here durable.
func (p *proc) flush() {
	w := p.world
	if p.machine == nil || !p.machine.Synced() || !p.listed {
		return
	}
	need := p.values.Clock()
	if has := p.machine.StoreHas(); has.Includes(&need) {
		return
	}
	w.call(p, func(k *keeper) func() {
		if has := k.at.values.Clock(); !has.Includes(&need) && !w.store.durable.Includes(&need) {
			return nil
		}
		w.flush(k)
		k.at.drain()
		durable, machine := w.store.durable.Clone(), p.machine
		return func() {
			if p.machine == machine && machine != nil {
				machine.Durable(&durable)
				p.soon()
			}
		}
	})
}

// soon makes the machine's next tick come soon.
func (p *proc) soon() { p.schedule(p.world.now + p.world.between(0, 5*time.Millisecond)) }

func (p *proc) schedule(at time.Duration) {
	if p.tickAt != 0 && p.tickAt <= at {
		return
	}
	life, machine := p.life, p.machine
	p.tickAt = at
	p.world.after(at-p.world.now, func() {
		if p.life != life || p.machine != machine || machine == nil || p.tickAt != p.world.now {
			return
		}
		p.tickAt = 0
		p.schedule(max(p.machine.Tick(p.world.now), p.world.now+time.Millisecond))
		p.drain()
	})
}

// drain sends what there is, and looks at what has come about.
func (p *proc) drain() {
	w := p.world
	if p.machine == nil {
		return
	}
	if !p.machine.Removed() {
		p.record()
	}
	for _, e := range p.machine.Outbox() {
		w.sum["messages"]++
		to := w.live[e.To]
		if to == nil || w.live[p.node] != p && w.chance(2) {
			continue
		}
		from, node := p.node, e.To
		w.send(p, to, func() {
			if to.machine == nil || to.node != node {
				return
			}
			to.check(to.machine.Receive(w.now, from, e.Body))
			to.drain()
			to.soon()
		})
	}
	if p.machine.Removed() {
		p.count()
		p.removed()
		return
	}
	p.acknowledge()
	p.hear()
}

// count adds what the machine has done to the figures.
func (p *proc) count() {
	f, sum := p.machine.Figures(), p.world.sum
	sum["transfers"] += int(f.Transfers)
	sum["resent"] += int(f.Resent)
	sum["bytes"] += int(f.Bytes)
}

func (p *proc) check(err error) {
	if err != nil {
		p.world.fail("%s: %v", p.name, err)
	}
}

// work changes something, or reads.
func (p *proc) work() {
	w := p.world
	if p.machine == nil || p.leaving || w.ended() {
		return
	}
	if w.chance(8) {
		p.ask()
		return
	}
	for range 1 + w.random.IntN(4) {
		p.change()
	}
	p.soon()
}
