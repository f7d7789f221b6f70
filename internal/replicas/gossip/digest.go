package gossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// takeDigest takes note of what another replica has.
func (m *Machine) takeDigest(now time.Duration, from Peer, p *peer, x *message) error {
	var d digest
	if err := d.parse(x.rest); err != nil {
		return err
	}
	if x.sender < p.replica {
		return nil // an earlier replica of that node; it is late
	}
	if m.synced {
		if n := m.clock.Seen(m.id); d.clock.Seen(m.id) > n {
			return fmt.Errorf("replica %d has batch %d of this one, which has made %d", x.sender, d.clock.Seen(m.id), n)
		}
		if err := m.learn(now, &d.clock); err != nil {
			return err
		}
		m.hearLeft(d.left)
		m.introduce(d.nodes)
		m.questions.take(from, &d)
		if d.question > 0 {
			m.send(from, m.digest(0, d.question, nil))
		}
	}
	if p.replica != x.sender {
		m.identify(from, p, x.sender)
	}
	m.note(now, x.sender, &d)
	m.resendAt = min(m.resendAt, now+resendGrace/2)
	return nil
}

// identify takes note of which replica a node is. It may have been another node before,
// which is dead then, even if it still is among the members.
func (m *Machine) identify(at Peer, p *peer, id crdt.ReplicaID) {
	for other, q := range m.peers {
		if q.replica != id {
			continue
		}
		if other > at {
			return
		}
		q.replica = 0
	}
	p.replica = id
	clear(p.gaps)
	m.elect()
}

// note keeps what a replica says of itself, and of the store.
func (m *Machine) note(now time.Duration, id crdt.ReplicaID, d *digest) {
	r := m.rows[id]
	if r == nil {
		if len(m.rows) >= crdt.MaxReplicas {
			clear(m.rows) // it comes again
		}
		r = &row{}
		m.rows[id] = r
	}
	r.heard = now
	absorb(&r.clock, &d.clock)
	absorb(&m.store, &d.store)
	delete(m.removal.away, id)
}

// absorb merges a clock into one that only grows, whatever came before.
func absorb(c, more *crdt.Clock) {
	if c.Merge(more); c.Len() > crdt.MaxReplicas {
		*c = more.Clone()
	}
}

func (m *Machine) digest(question, answer uint64, nodes []Peer) []byte {
	d := digest{clock: m.clock, store: m.store, left: m.removal.list(), nodes: nodes, question: question, answer: answer}
	if m.leaving {
		d.left = append(d.left, crdt.Dot{Replica: m.id, Seq: m.clock.Seen(m.id)})
	}
	return d.append(appendHeader(nil, kindDigest, m.id))
}

func (m *Machine) sendDigest(now time.Duration) {
	m.broadcast(m.digest(m.questions.ask(), 0, m.order))
	for _, p := range m.peers {
		p.owed = false
	}
	m.ackAt = now + digestIdle
	switch {
	case m.questions.waiting():
		m.digestAt = now + questionWait
	case m.differs():
		m.digestAt = now + digestBusy
	default:
		m.digestAt = now + digestIdle
	}
}

// acknowledge tells those who have sent something what is here.
func (m *Machine) acknowledge(now time.Duration) {
	var body []byte
	for _, at := range m.order {
		if p := m.peers[at]; p.owed {
			if body == nil {
				body = m.digest(0, 0, nil)
			}
			m.send(at, body)
			p.owed = false
		}
	}
	m.ackAt = now + digestIdle
}

// differs reports whether a peer has something else than this node.
func (m *Machine) differs() bool {
	return slices.ContainsFunc(m.order, func(at Peer) bool {
		r := m.row(at)
		return r == nil || !r.clock.Includes(&m.clock) || !m.clock.Includes(&r.clock)
	})
}

// lag is how many batches of one clock another one lacks.
func lag(all, has *crdt.Clock) (n uint64) {
	for r, seq := range all.All() {
		if h := has.Seen(r); h < seq && !has.Forgotten(r) {
			n += seq - h
		}
	}
	return n
}
