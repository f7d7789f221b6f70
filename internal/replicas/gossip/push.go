package gossip

import (
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// gap is what a peer lacks of a replica's batches: those after a number. They are
// sent when it has not come further for a while.
type gap struct {
	has   uint64
	since time.Duration // of what it has, or of the last try
	wait  time.Duration
}

const (
	resendGrace   = 50 * time.Millisecond  // until a batch that a peer lacks is sent again
	resendForeign = 500 * time.Millisecond // more, if its own replica can do that
	resendMost    = time.Second            // between tries
	resendBurst   = 4                      // messages of one try
)

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
		if len(body) > empty && len(body)+b.size() > m.config.MaxMessage {
			m.broadcast(body)
			body = appendHeader(nil, kindBatches, m.id)
		}
		body = AppendBatch(body, b)
	}
	m.broadcast(body)
	if m.member {
		m.figures.Sent += uint64(len(sealed) * len(m.order))
	}
	m.clock = m.values.Clock()
	m.digestAt = min(m.digestAt, now+digestBusy)
	m.resendAt = min(m.resendAt, now+resendGrace)
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
