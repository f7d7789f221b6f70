package gossip

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// A replica that does not come back is removed: its parts of all values are folded,
// and it is forgotten. That is only right where its batches and all that were made
// without having seen them have been applied, so the keeper decides it for all. Who
// hears of it by a clock that has forgotten the replica can fold it at once, and has
// to, before it applies anything that comes from there. The keeper's decision needs:
//
//   - It knows of all replicas that there are, since it has given them their IDs, and
//     a replica that was away asks it before it speaks again.
//   - All of them, but for those that are removed together, have the same batches of
//     the one that is removed, and have said so since it was gone for a while: so
//     whatever they do from now on has seen them.
//   - All of them have all that each of them had done when it said so, and the store
//     too, without its log: so what was done before has been applied everywhere.
type removal struct {
	left   map[crdt.ReplicaID]uint64        // who has said goodbye, and its last batch
	away   map[crdt.ReplicaID]time.Duration // since when, for the keeper
	census time.Duration                    // when the last one was
	plan   *plan
}

// plan is a removal, and what has to be seen by all before.
type plan struct {
	given, gone []crdt.ReplicaID
	seen        crdt.Clock
}

// Census is what the keeper knows of all replicas.
type Census struct {
	Given []crdt.ReplicaID // IDs that it has given out and that were not removed since, in ascending order
	Last  crdt.ReplicaID   // the last ID that it has given out
	Base  crdt.Clock       // what the store has, and would have without its log: its last checkpoint
}

// Census tells the node where the keeper is about all replicas, every second or so. It
// forgets those that were removed. Gone are replicas that can be removed now: the
// keeper makes sure that the store does not have them among Given any more, under
// its epoch, and calls Census again without them. While checkpoint is true they wait
// for a Base that is newer.
func (m *Machine) Census(now time.Duration, c *Census) (gone []crdt.ReplicaID, checkpoint bool) {
	if !m.member || !m.synced || m.removed {
		return nil, false
	}
	m.seal(now)
	if m.learn(now, known(c.Given)) != nil || m.learn(now, m.outlived(c)) != nil || m.removed {
		return nil, false
	}
	m.miss(now, c.Given)
	gone = slices.DeleteFunc(slices.Clone(c.Given), func(id crdt.ReplicaID) bool { return !m.gone(now, id) })
	if len(gone) == 0 || !m.agreed(c.Given, gone) {
		m.removal.plan = nil
		return nil, false
	}
	p := m.removal.plan
	if p == nil || !slices.Equal(p.given, c.Given) || !slices.Equal(p.gone, gone) {
		p = &plan{given: c.Given, gone: gone, seen: m.done(c.Given, gone)}
		m.removal.plan = p
	}
	for _, id := range c.Given {
		if !slices.Contains(gone, id) && !m.rowOf(id).Includes(&p.seen) {
			return nil, false
		}
	}
	if !c.Base.Includes(&p.seen) {
		return nil, true
	}
	return gone, false
}

// miss takes note of who is away.
func (m *Machine) miss(now time.Duration, given []crdt.ReplicaID) {
	r := &m.removal
	if now > r.census+m.config.RemoveAfter/2 {
		clear(r.away) // who came back meanwhile has asked another keeper
	}
	r.census = now
	for _, id := range given {
		if _, away := r.away[id]; m.alive(id) {
			delete(r.away, id)
		} else if !away {
			r.away[id] = now
		}
	}
}

// Returned is called by the keeper when a replica has asked whether it still is one,
// and it is among those that were given out.
func (m *Machine) Returned(id crdt.ReplicaID) {
	delete(m.removal.away, id)
	m.removal.plan = nil
}

// gone reports whether a replica has ended, or has been away for long.
func (m *Machine) gone(now time.Duration, id crdt.ReplicaID) bool {
	if m.alive(id) {
		return false
	}
	if m.said(id) {
		return true
	}
	silent := slices.ContainsFunc(m.order, func(at Peer) bool { return m.peers[at].replica == 0 })
	return !silent && now >= m.removal.away[id]+m.config.RemoveAfter
}

// said reports whether a replica has said goodbye, and its last batch is here.
func (m *Machine) said(id crdt.ReplicaID) bool {
	seq, left := m.removal.left[id]
	return left && m.clock.Seen(id) == seq
}

// agreed reports whether those that stay have the same of those that are gone.
func (m *Machine) agreed(given, gone []crdt.ReplicaID) bool {
	for _, id := range given {
		if slices.Contains(gone, id) {
			continue
		}
		row := m.rows[id]
		if id != m.id && row == nil {
			return false
		}
		for _, r := range gone {
			fresh := m.said(r) || id == m.id || row.heard >= m.removal.away[r]+m.config.RemoveAfter/2
			if !fresh || m.rowOf(id).Seen(r) != m.clock.Seen(r) {
				return false
			}
		}
	}
	return true
}

// rowOf is what a replica has, as far as is known here.
func (m *Machine) rowOf(id crdt.ReplicaID) *crdt.Clock {
	if id == m.id {
		return &m.clock
	}
	return &m.rows[id].clock
}

// done is what is here of those that are gone, and what each of the others has done
// when it said last what it has.
func (m *Machine) done(given, gone []crdt.ReplicaID) (c crdt.Clock) {
	for _, id := range given {
		from := &m.clock
		if !slices.Contains(gone, id) {
			from = m.rowOf(id)
		}
		c.See(crdt.Dot{Replica: id, Seq: from.Seen(id)})
	}
	return c
}

// known is a clock that knows replicas.
func known(ids []crdt.ReplicaID) *crdt.Clock {
	var c crdt.Clock
	for _, id := range ids {
		c.See(crdt.Dot{Replica: id})
	}
	return &c
}

// outlived is a clock that has forgotten the replicas that were given out and are not
// among those any more that are given.
func (m *Machine) outlived(c *Census) *crdt.Clock {
	kept := known(c.Given)
	for id := range m.clock.All() {
		if _, ok := slices.BinarySearch(c.Given, id); !ok && id <= c.Last {
			kept.Forget(id)
		}
	}
	return kept
}

// learn folds the replicas that somebody's clock has forgotten, and takes note of
// those that it knows. Whatever comes from there is taken only after it.
func (m *Machine) learn(now time.Duration, c *crdt.Clock) error {
	if m.clock.Learned(c) {
		return nil
	}
	before := m.clock.Clone()
	if m.clock.Learn(c); m.clock.Len() > crdt.MaxReplicas {
		m.clock = before
		return fmt.Errorf("more than %d replicas: %w", crdt.MaxReplicas, crdt.ErrMalformed)
	}
	m.values.Learn(c)
	m.push(now, m.values.Seal())
	m.clock = m.values.Clock()
	for id := range before.All() {
		if m.clock.Forgotten(id) {
			m.erase(id)
		}
	}
	return nil
}

func (m *Machine) erase(id crdt.ReplicaID) {
	m.figures.Removed++
	m.removed = m.removed || id == m.id
	m.retained.forget(id)
	m.early.dropAll(func(a *aside) bool { return a.batch.At.Replica == id })
	delete(m.rows, id)
	delete(m.removal.left, id)
	delete(m.removal.away, id)
	for _, p := range m.peers {
		delete(p.gaps, id)
	}
}

// Leave says goodbye: this process changes nothing any more, and stops when others
// have what it has, or soon.
func (m *Machine) Leave(now time.Duration) {
	m.seal(now)
	m.leaving = true
	m.digestAt = now
}

// hearLeft takes note of replicas that have said goodbye.
func (m *Machine) hearLeft(left []crdt.Dot) {
	for _, d := range left {
		if m.clock.Knows(d.Replica) && d.Replica != m.id {
			m.removal.left[d.Replica] = max(m.removal.left[d.Replica], d.Seq)
		}
	}
}

func (r *removal) list() (left []crdt.Dot) {
	for _, id := range slices.Sorted(maps.Keys(r.left)) {
		left = append(left, crdt.Dot{Replica: id, Seq: r.left[id]})
	}
	return left
}
