package gossip

import (
	"fmt"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// peer is another node that is alive.
type peer struct {
	replica crdt.ReplicaID // 0: it has not said so yet
	owed    bool           // a digest, for what it has sent
	gaps    map[crdt.ReplicaID]*gap
}

// row is what a replica has said, or its node: it has that, and will always have it.
type row struct {
	clock crdt.Clock
	heard time.Duration
}

// gap is what a peer lacks of a replica's batches: those after a number. They are
// sent when it has not come further for a while.
type gap struct {
	has   uint64
	since time.Duration // of what it has, or of the last try
	wait  time.Duration
}

const (
	resendGrace   = 50 * time.Millisecond // until a batch that a peer lacks is sent again
	resendForeign = 500 * time.Millisecond
	resendMost    = time.Second
	resendBurst   = 4 // messages
)

// row is what the replica at a node has said.
func (m *Machine) row(at Peer) *row { return m.rows[m.peers[at].replica] }

// seal ends the open batch, and sends it.
func (m *Machine) seal(now time.Duration) { m.push(now, m.values.Seal()) }

// push sends batches of this replica to all, encoded once.
func (m *Machine) push(now time.Duration, sealed []Batch) {
	if len(sealed) == 0 {
		return
	}
	body := appendHeader(nil, kindBatches, m.id)
	empty := len(body)
	for i := range sealed {
		b := &sealed[i]
		m.retained.add(b)
		m.figures.Sent += uint64(len(m.order))
		if len(body) > empty && len(body)+b.size() > m.config.MaxMessage {
			m.broadcast(body)
			body = appendHeader(nil, kindBatches, m.id)
		}
		body = AppendBatch(body, b)
	}
	if m.member {
		m.broadcast(body)
	}
	m.clock = m.values.Clock()
	m.digestAt = min(m.digestAt, now+digestBusy)
	m.resendAt = min(m.resendAt, now+resendGrace)
}

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
		m.questions.take(from, &d)
		if d.question > 0 {
			m.send(from, m.digest(0, d.question))
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

func (m *Machine) digest(question, answer uint64) []byte {
	d := digest{clock: m.clock, store: m.store, left: m.removal.list(), question: question, answer: answer}
	if m.leaving {
		d.left = append(d.left, crdt.Dot{Replica: m.id, Seq: m.clock.Seen(m.id)})
	}
	return d.append(appendHeader(nil, kindDigest, m.id))
}

func (m *Machine) sendDigest(now time.Duration) {
	m.broadcast(m.digest(m.questions.ask(), 0))
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
				body = m.digest(0, 0)
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

// resend sends what peers have lacked for a while.
func (m *Machine) resend(now time.Duration) {
	m.resendAt = now + digestIdle
	for _, at := range m.order {
		r := m.row(at)
		if r == nil {
			continue
		}
		gaps := m.peers[at].gaps
		for id, seq := range m.clock.All() {
			if has := r.clock.Seen(id); has >= seq || r.clock.Forgotten(id) {
				delete(gaps, id)
			} else {
				m.fill(now, at, id, has)
			}
		}
	}
}

func (m *Machine) fill(now time.Duration, at Peer, id crdt.ReplicaID, has uint64) {
	gaps := m.peers[at].gaps
	g := gaps[id]
	if g == nil || g.has != has {
		g = &gap{has: has, since: now, wait: m.patience(at, id, has)}
		gaps[id] = g
	}
	if now >= g.since+g.wait {
		g.since, g.wait = now, min(2*g.wait, resendMost)
		if log, ok := m.retained.after(id, has); ok {
			m.sendAgain(at, log)
		} else if id == m.id || !m.alive(id) {
			m.send(at, appendHeader(nil, kindOffer, m.id))
		}
	}
	m.resendAt = min(m.resendAt, g.since+g.wait)
}

// patience is how long others are waited for, who may give a peer what it lacks: the
// replica itself, or if it is gone, one after the other.
func (m *Machine) patience(to Peer, id crdt.ReplicaID, has uint64) time.Duration {
	wait := resendGrace
	if id == m.id {
		return wait
	}
	if m.alive(id) {
		wait += resendForeign
	}
	for _, at := range m.order {
		if r := m.row(at); at != to && at < m.self && r != nil && r.clock.Seen(id) > has {
			wait += resendGrace
		}
	}
	return wait
}

// sendAgain sends batches, a burst at most.
func (m *Machine) sendAgain(to Peer, log []*kept) {
	for range resendBurst {
		if len(log) == 0 {
			return
		}
		body := appendHeader(nil, kindBatches, m.id)
		for first := true; len(log) > 0 && (first || len(body)+log[0].batch.size() <= m.config.MaxMessage); log = log[1:] {
			body = AppendBatch(body, &log[0].batch)
			first = false
			m.figures.Resent++
		}
		m.send(to, body)
	}
}

// alive reports whether a live node has said that it is a replica.
func (m *Machine) alive(id crdt.ReplicaID) bool {
	return id == m.id || slices.ContainsFunc(m.order, func(at Peer) bool { return m.peers[at].replica == id })
}

// elect tells the values whose votes count.
func (m *Machine) elect() {
	ids := []crdt.ReplicaID{m.id}
	for _, at := range m.order {
		if id := m.peers[at].replica; id != 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if !slices.Equal(ids, m.elected) {
		m.elected = ids
		m.values.Elect(ids)
	}
}

// Reached says how many replicas have the batches of this one up to a number, this
// one included, of how many members. While this node is not a member itself, have
// is 0.
func (m *Machine) Reached(seq uint64) (have, members int) {
	if !m.member {
		return 0, m.live
	}
	have = 1
	for _, at := range m.order {
		if r := m.row(at); r != nil && r.clock.Seen(m.id) >= seq {
			have++
		}
	}
	return have, m.live
}
