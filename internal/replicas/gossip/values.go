package gossip

import (
	"errors"
	"iter"

	"github.com/mallee-io/mallee/crdt"
)

// Batch is what one replica has changed between two numbers.
type Batch struct {
	At   crdt.Dot   // whose, and its number
	Seen crdt.Clock // what the replica had seen when it sealed the batch, its own batches left out
	Body []byte     // effects and deletions: see AppendBatch
}

// ErrNotBegun says that the process is not a replica yet.
var ErrNotBegun = errors.New("this process does not have the replicated values yet")

// Values has this process's copies of all values. Its methods are safe for
// concurrent use.
type Values struct{}

// NewValues has nothing. now is the wall clock, in milliseconds since 1970.
func NewValues(now func() int64) *Values { panic("not yet") }

// Begin gives the replica its ID, before its first change, and its clock.
func (v *Values) Begin(id crdt.ReplicaID) { panic("not yet") }

// Reset forgets everything but who watches, until the next Begin. Changes fail with
// ErrNotBegun meanwhile.
func (v *Values) Reset() { panic("not yet") }

// Open is the copy of a value. Its Wait and Refresh are not implemented: they are for
// who knows how far changes have come.
func (v *Values) Open(name string) *Cell { panic("not yet") }

// Cell is one value's copy; it implements crdt.Replica but for Wait and Refresh.
type Cell struct{}

// Clock is what has been seen, the sealed batches of this replica included.
func (v *Values) Clock() crdt.Clock { panic("not yet") }

// Next is the number that the open batch will have, and whether anything is in it.
func (v *Values) Next() (seq uint64, any bool) { panic("not yet") }

// Seal ends the open batch, if anything is in it.
func (v *Values) Seal() (b Batch, any bool) { panic("not yet") }

// Apply applies the next batch of another replica, sealing the open one first, so
// that what this replica changes afterwards has seen it and what it has changed
// before has not. Early: something has to be applied before it; it was not. What
// has been seen already changes nothing.
func (v *Values) Apply(b *Batch) (sealed Batch, any, early bool, err error) { panic("not yet") }

// Entry is one value, or the mark of a deleted one, as it is sent to who needs all.
type Entry struct {
	Name    string
	Deleted bool
	State   []byte // of crdt.Value.AppendBinary; empty when deleted
}

// Entries yields all values whose name is greater than after, in order, each as it
// is then. What is open is sealed by the caller first, and again after the last.
func (v *Values) Entries(after string) iter.Seq[Entry] { panic("not yet") }

// Merge takes in the entries of another process, which were all as its clock says,
// and what it has seen. The open batch is sealed first.
func (v *Values) Merge(entries []Entry, theirs *crdt.Clock) (sealed Batch, any bool, err error) {
	panic("not yet")
}

// Fold folds all values' parts of a replica that has been removed.
func (v *Values) Fold(r crdt.ReplicaID) { panic("not yet") }

// Elect says who the members are, for votes. Watchers of votes are told.
func (v *Values) Elect(members []crdt.ReplicaID) { panic("not yet") }
