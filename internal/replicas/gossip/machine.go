package gossip

import (
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// Peer is a node's ID: where messages go.
type Peer uint64

// Envelope is a message to another node. It may be lost, repeated and overtaken.
type Envelope struct {
	To   Peer
	Body []byte
}

// Machine decides what this process says to the others. It is not safe for
// concurrent use. Times are since any fixed moment, and never go back.
type Machine struct{}

// MachineConfig has bounds; zero fields have defaults.
type MachineConfig struct {
	// RemoveAfter is how long a replica may be away before its parts are folded and
	// it is forgotten; it then comes back as another one. Defaults to an hour.
	RemoveAfter time.Duration
	// MaxRetained bounds the batches that are kept for others and the store, in
	// bytes. Who needs those that are gone gets the whole state. Defaults to 64 MiB.
	MaxRetained int
	// MaxMessage bounds a message, in bytes. Defaults to 256 KiB; a batch or value
	// that is larger goes alone.
	MaxMessage int
}

// NewMachine is for the values of a replica that has begun. self is where it is.
func NewMachine(c MachineConfig, self Peer, id crdt.ReplicaID, v *Values) *Machine {
	panic("not yet")
}

// Rename says that this process is another node now; its replica stays.
func (m *Machine) Rename(self Peer) { panic("not yet") }

// Members says which nodes have copies: those of the cluster that are alive, this
// one included. Others are not sent to.
func (m *Machine) Members(now time.Duration, live []Peer) { panic("not yet") }

// Receive takes a message. An error says that it makes no sense; nothing is changed.
func (m *Machine) Receive(now time.Duration, from Peer, body []byte) error { panic("not yet") }

// Tick seals what is open, and sends what is due. It is called when next has
// passed, and soon after something has changed or come.
func (m *Machine) Tick(now time.Duration) (next time.Duration) { panic("not yet") }

// Outbox gives the messages that are to be sent now, and forgets them.
func (m *Machine) Outbox() []Envelope { panic("not yet") }

// Fetch asks a node for its whole state, again and from others until it is here.
func (m *Machine) Fetch(now time.Duration, from Peer) { panic("not yet") }

// Synced reports whether the first Fetch is done.
func (m *Machine) Synced() bool { panic("not yet") }

// Removed reports whether the others have removed this replica: it has to begin
// anew, with another ID and Values that are empty.
func (m *Machine) Removed() bool { panic("not yet") }

// Reached says how many replicas have the batches of this one up to a number, this
// one included, of how many members.
func (m *Machine) Reached(seq uint64) (have, members int) { panic("not yet") }

// Ask asks the others what they have. Heard reports whether a majority of the
// members, this one included, has answered, and all that they had then is here.
func (m *Machine) Ask(now time.Duration) (question uint64) { panic("not yet") }

// Heard is about a question of Ask.
func (m *Machine) Heard(question uint64) bool { panic("not yet") }

// Durable takes note of what the store has.
func (m *Machine) Durable(c *crdt.Clock) { panic("not yet") }

// StoreHas is what the store has, as far as is known here.
func (m *Machine) StoreHas() crdt.Clock { panic("not yet") }

// Since gives the batches that are seen here and not in a clock, in an order in
// which they can be applied. False: some are not kept any more.
func (m *Machine) Since(c *crdt.Clock) ([]Batch, bool) { panic("not yet") }
