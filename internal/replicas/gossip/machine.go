package gossip

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// Peer is a node's ID: where messages go.
type Peer uint64

// Envelope is a message to another node. It may be lost, repeated and overtaken. Its
// body is shared with other envelopes: it must not be changed.
type Envelope struct {
	To   Peer
	Body []byte
}

// Machine decides what this process says to the others. It is not safe for
// concurrent use. Times are since any fixed moment, and never go back.
type Machine struct {
	config MachineConfig
	self   Peer
	id     crdt.ReplicaID
	values *Values

	clock    crdt.Clock // of values, since the last look
	store    crdt.Clock // what the store has
	retained retained
	pinned   *crdt.Clock // nil: no more is kept than others need
	early    early

	member  bool // this node is alive, as far as it knows
	live    int  // how many are, this one included
	peers   map[Peer]*peer
	order   []Peer                  // of peers
	rows    map[crdt.ReplicaID]*row // what other replicas have said
	elected []crdt.ReplicaID

	introduced []Peer

	digestAt  time.Duration // to all
	ackAt     time.Duration // to those from whom something has come
	resendAt  time.Duration
	questions questions
	transfer  *transfer
	token     uint64 // of the last transfer
	synced    bool
	removed   bool
	leaving   bool
	removal   removal

	outbox  []Envelope
	figures Figures
}

// MachineConfig has bounds; zero fields have defaults.
type MachineConfig struct {
	// RemoveAfter is how long a replica may be away before its parts are folded and
	// it is forgotten; it then comes back as another one. Defaults to an hour.
	RemoveAfter time.Duration
	// MaxRetained bounds the batches that are kept for others and the store, in
	// bytes. Who needs those that are gone gets the whole state. Batches that came
	// too early may take an eighth of it besides. Defaults to 64 MiB.
	MaxRetained int
	// MaxMessage bounds a message, in bytes. Defaults to 256 KiB; a batch, or a
	// piece of a value, that is larger goes alone.
	MaxMessage int
}

const (
	ackAfter     = 5 * time.Millisecond   // what has come is acknowledged, with all else of that time
	digestBusy   = 250 * time.Millisecond // between digests while something differs
	digestIdle   = time.Second
	questionWait = 100 * time.Millisecond // between digests while somebody waits for answers
)

// NewMachine is for the values of a replica, and tells them its ID when it can begin:
// values that have begun were read from the store, others are empty and wait for
// Fetch. self is where the process is.
func NewMachine(c MachineConfig, self Peer, id crdt.ReplicaID, v *Values) *Machine {
	c.RemoveAfter = cmp.Or(c.RemoveAfter, time.Hour)
	c.MaxRetained = cmp.Or(c.MaxRetained, 64<<20)
	c.MaxMessage = cmp.Or(c.MaxMessage, 256<<10)
	m := &Machine{
		config: c, self: self, id: id, values: v, synced: v.begun(),
		peers: make(map[Peer]*peer), rows: make(map[crdt.ReplicaID]*row),
		retained: retained{max: c.MaxRetained, logs: make(map[crdt.ReplicaID][]*kept)},
		early:    early{max: c.MaxRetained / 8, batches: make(map[crdt.ReplicaID]map[uint64]*aside), bytes: make(map[Peer]int)},
		removal:  removal{left: make(map[crdt.ReplicaID]uint64), away: make(map[crdt.ReplicaID]time.Duration)},
	}
	m.clock = v.Clock()
	return m
}

// Rename says that this process is another node now; its replica stays. The keeper
// has been asked before, and still knows the replica: see Returned.
func (m *Machine) Rename(self Peer) { m.self, m.member = self, false }

// Members says which nodes have copies: those of the cluster that are alive, this
// one included. Others are not sent to, and not listened to. While this one is not
// among them it says nothing, and nothing else changes: a process that loses its lease
// calls it with none at once, and Rename when it may speak again.
func (m *Machine) Members(now time.Duration, live []Peer) {
	m.member, m.live = slices.Contains(live, m.self), len(live)
	if !m.member {
		return
	}
	for p := range m.peers {
		if !slices.Contains(live, p) {
			delete(m.peers, p)
			m.early.forgetPeer(p)
		}
	}
	for _, p := range live {
		if p != m.self && m.peers[p] == nil {
			m.peers[p] = &peer{gaps: make(map[crdt.ReplicaID]*gap)}
			m.digestAt = now
		}
	}
	m.order = m.order[:0]
	for p := range m.peers {
		m.order = append(m.order, p)
	}
	slices.Sort(m.order)
	m.elect()
}

// Receive takes a message. An error says that it makes no sense; nothing is changed.
func (m *Machine) Receive(now time.Duration, from Peer, body []byte) error {
	x, err := parseMessage(body)
	if err != nil {
		return err
	}
	p := m.peers[from]
	switch {
	case p == nil || !m.member || m.removed:
		return nil // of nobody who is known to be alive; it comes again
	case x.kind == kindRemoved:
		m.removed = x.sender == m.id
		return nil
	case x.sender == m.id:
		return fmt.Errorf("node %d says that it is replica %d, and so does this one", from, m.id)
	case m.clock.Forgotten(x.sender):
		m.send(from, appendHeader(nil, kindRemoved, x.sender))
		return nil
	}
	switch x.kind {
	case kindBatches:
		return m.takeBatches(now, from, x.rest)
	case kindDigest:
		return m.takeDigest(now, from, p, &x)
	case kindFetch:
		return m.serve(now, from, x.rest)
	case kindEntries:
		return m.takeEntries(now, from, x.rest)
	case kindTail:
		return m.takeTail(now, from, x.rest)
	case kindAgain:
		return m.takeAgain(now, from, x.rest)
	case kindOffer:
		m.takeOffer(now, from, p)
	}
	return nil
}

// Tick seals what is open, and sends what is due. It is called when next has
// passed, and soon after something has changed or come.
func (m *Machine) Tick(now time.Duration) (next time.Duration) {
	if m.removed {
		return now + digestIdle
	}
	m.seal(now)
	if !m.member {
		return now + digestIdle
	}
	next = m.retry(now)
	if !m.synced {
		return next
	}
	switch {
	case now >= m.digestAt:
		m.sendDigest(now)
		m.prune()
	case now >= m.ackAt:
		m.acknowledge(now)
	}
	if now >= m.resendAt {
		m.resend(now)
	}
	return min(next, m.digestAt, m.ackAt, m.resendAt)
}

// Outbox gives the messages that are to be sent now, and forgets them.
func (m *Machine) Outbox() []Envelope {
	out := m.outbox
	m.outbox = nil
	return out
}

// Synced reports whether the values have begun: the first Fetch is done, or was not
// needed.
func (m *Machine) Synced() bool { return m.synced }

// Removed reports whether the others have removed this replica: it has to begin
// anew, with another ID and Values that are empty. What only it has had is lost.
func (m *Machine) Removed() bool { return m.removed }

// Figures are counts since the Machine was made, and sizes.
type Figures struct {
	Sent      uint64 // batches of this replica, once for each node
	Received  uint64 // batches of others that were applied
	Resent    uint64 // batches that somebody lacked
	Bytes     uint64 // of all messages to others
	Transfers uint64 // whole states that were taken in
	Removed   uint64 // replicas whose parts were folded
	Retained  int    // bytes of batches that are kept for others and the store
	Early     int    // bytes of batches that wait for others
	Lag       uint64 // batches that the live node lacks which is furthest behind
}

// Figures tells what the machine has done.
func (m *Machine) Figures() Figures {
	f := m.figures
	f.Retained, f.Early = m.retained.bytes, m.early.total
	for _, at := range m.order {
		if row := m.row(at); row != nil {
			f.Lag = max(f.Lag, lag(&m.clock, &row.clock))
		}
	}
	return f
}

func (m *Machine) send(to Peer, body []byte) {
	m.figures.Bytes += uint64(len(body))
	m.outbox = append(m.outbox, Envelope{to, body})
}

// broadcast sends to all, unless this node may not speak.
func (m *Machine) broadcast(body []byte) {
	if !m.member {
		return
	}
	for _, p := range m.order {
		m.send(p, body)
	}
}
