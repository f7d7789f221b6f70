package gossip

import (
	"maps"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// early are batches that came before others that their replicas had seen. They are
// a shortcut: what finds no room comes again.
type early struct {
	max, total int
	batches    map[crdt.ReplicaID]map[uint64]*aside
	bytes      map[Peer]int // of those that a peer has sent
}

type aside struct {
	batch Batch
	from  Peer
}

// put keeps a batch, if its sender's share of the room suffices.
func (e *early) put(from Peer, b *Batch, senders int) {
	size := b.size()
	if e.batches[b.At.Replica][b.At.Seq] != nil || e.bytes[from]+size > e.max/max(senders, 1) {
		return
	}
	if e.batches[b.At.Replica] == nil {
		e.batches[b.At.Replica] = make(map[uint64]*aside)
	}
	e.batches[b.At.Replica][b.At.Seq] = &aside{*b, from}
	e.bytes[from] += size
	e.total += size
}

func (e *early) drop(d crdt.Dot) {
	of := e.batches[d.Replica]
	a := of[d.Seq]
	if a == nil {
		return
	}
	e.total -= a.batch.size()
	if e.bytes[a.from] -= a.batch.size(); e.bytes[a.from] == 0 {
		delete(e.bytes, a.from)
	}
	if delete(of, d.Seq); len(of) == 0 {
		delete(e.batches, d.Replica)
	}
}

func (e *early) dropAll(gone func(a *aside) bool) {
	for _, of := range e.batches {
		for _, a := range of {
			if gone(a) {
				e.drop(a.batch.At)
			}
		}
	}
}

func (e *early) forgetPeer(p Peer) { e.dropAll(func(a *aside) bool { return a.from == p }) }

// next gives a batch whose number is the next of its replica and for which all has
// been seen.
func (e *early) next(c *crdt.Clock) *aside {
	for _, id := range slices.Sorted(maps.Keys(e.batches)) {
		if a := e.batches[id][c.Seen(id)+1]; a != nil && c.Includes(&a.batch.Seen) {
			return a
		}
	}
	return nil
}

// takeBatches applies batches, and those that have waited for them.
func (m *Machine) takeBatches(now time.Duration, from Peer, body []byte) error {
	batches, err := parseBatches(body)
	if err != nil || !m.synced {
		return err
	}
	for i := range batches {
		if err := m.take(now, from, &batches[i]); err != nil {
			return err
		}
	}
	m.peers[from].owed = true
	m.ackAt = min(m.ackAt, now+ackAfter)
	return m.takeEarly(now)
}

// take applies a batch, or puts it aside.
func (m *Machine) take(now time.Duration, from Peer, b *Batch) error {
	if m.clock.Covers(b.At) {
		return nil
	}
	if err := m.learn(now, &b.Seen); err != nil {
		return err
	}
	early, err := m.values.Apply(b)
	if err != nil {
		return err
	}
	if early {
		m.early.put(from, b, len(m.peers))
		return nil
	}
	m.early.drop(b.At)
	// What was sealed while it was applied comes before or behind it.
	sealed := m.values.Seal()
	n := slices.IndexFunc(sealed, func(own Batch) bool { return own.Seen.Covers(b.At) })
	if n < 0 {
		n = len(sealed)
	}
	m.push(now, sealed[:n])
	m.retained.add(b)
	m.push(now, sealed[n:])
	m.clock = m.values.Clock()
	m.figures.Received++
	return nil
}

// takeEarly applies what has waited and need not wait any more.
func (m *Machine) takeEarly(now time.Duration) error {
	for {
		a := m.early.next(&m.clock)
		if a == nil {
			break
		}
		m.early.drop(a.batch.At)
		if err := m.take(now, a.from, &a.batch); err != nil {
			return err
		}
	}
	m.early.dropAll(func(a *aside) bool { return m.clock.Covers(a.batch.At) })
	return nil
}
