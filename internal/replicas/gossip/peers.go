package gossip

import (
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

// row is what the replica at a node has said.
func (m *Machine) row(at Peer) *row { return m.rows[m.peers[at].replica] }

// alive reports whether a live node has said that it is a replica.
func (m *Machine) alive(id crdt.ReplicaID) bool {
	return id == m.id || slices.ContainsFunc(m.order, func(at Peer) bool { return m.peers[at].replica == id })
}

// introduce takes note of nodes that another one speaks to.
func (m *Machine) introduce(nodes []Peer) {
	for _, at := range nodes {
		if at != m.self && m.peers[at] == nil && len(m.introduced) < crdt.MaxReplicas {
			m.introduced = append(m.introduced, at)
		}
	}
}

// Introduced gives the nodes that another one speaks to and this one does not, and
// forgets them: who finds that they are alive tells so with Members. So nodes that
// have copies without hosting anything come to know each other.
func (m *Machine) Introduced() []Peer {
	nodes := m.introduced
	m.introduced = nil
	return nodes
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
