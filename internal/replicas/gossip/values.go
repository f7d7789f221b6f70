package gossip

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mallee-io/mallee/crdt"
)

// Errors of changes.
var (
	ErrNotBegun = errors.New("this process does not have the replicated values yet")
	ErrEnded    = errors.New("this process is ending")
)

// Values has this process's copies of all values. Its methods are safe for
// concurrent use.
//
// A cell that is dirty has changed in the open batch. Whoever holds its lock may
// change it again without another: the batch cannot end before the cell has given
// its effect to it, and nothing of others is applied before that. To make a cell
// dirty takes mu for reading.
//
// Locks are taken in this order: mu, bucket.mu, slot.mu, dirty.mu.
type Values struct {
	now             func() int64
	changed         chan struct{}
	values, deleted atomic.Int64
	size            atomic.Int64 // of the open batch, about
	electorate      atomic.Pointer[crdt.Electorate]
	slots           slots

	mu     sync.RWMutex // held for writing, what is open being sealed, all is as the clock says
	clock  crdt.Clock
	at     crdt.Dot // what the open batch will have; no replica before Begin. Who holds a dirty slot may read it too
	sealed []Batch  // since the last Seal
	ended  bool     // nothing is changed here any more

	dirty struct {
		mu    sync.Mutex
		slots []*slot
	}
}

// NewValues has nothing. now is the wall clock, in milliseconds since 1970.
func NewValues(now func() int64) *Values {
	v := &Values{now: now, changed: make(chan struct{}, 1)}
	v.electorate.Store(&crdt.Electorate{})
	return v
}

// Begin gives the replica its ID, before its first change, and its clock.
func (v *Values) Begin(id crdt.ReplicaID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.at = crdt.Dot{Replica: id, Seq: v.clock.Seen(id) + 1}
	v.clock.See(crdt.Dot{Replica: id, Seq: v.at.Seq - 1})
	v.electorate.Store(&crdt.Electorate{Self: id, Members: v.electorate.Load().Members})
}

// Reset forgets everything but who watches, until the next Begin. Changes fail with
// ErrNotBegun meanwhile.
func (v *Values) Reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.slots.all() {
		s.mu.Lock()
		v.put(s, nil, false)
		s.dirty = false
		s.tell()
		s.mu.Unlock()
		v.slots.evict(s)
	}
	v.clean()
	v.clock, v.at, v.sealed = crdt.Clock{}, crdt.Dot{}, nil
	v.electorate.Store(&crdt.Electorate{Members: v.electorate.Load().Members})
}

// End lets changes fail with ErrEnded from now on, so that what was made can be brought
// to others as a whole.
func (v *Values) End() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seal()
	v.ended = true
}

// Open is the copy of a value. Its Wait and Refresh are not implemented: they are for
// who knows how far changes have come.
func (v *Values) Open(name string) *Cell { return &Cell{values: v, name: name} }

// Size is how many values there are, and how many marks of deleted ones.
func (v *Values) Size() (values, deleted int) {
	return int(v.values.Load()), int(v.deleted.Load())
}

// Clock is what has been seen, the sealed batches of this replica included.
func (v *Values) Clock() crdt.Clock {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.clock.Clone()
}

// fold folds all values' parts of a replica. It is called with mu held, and what was
// open sealed.
func (v *Values) fold(r crdt.ReplicaID) {
	for s := range v.slots.all() {
		s.mu.Lock()
		if s.value != nil {
			s.value.Fold(r)
		}
		s.mu.Unlock()
	}
}

// Elect says who the members are, for votes. Watchers of votes are told.
func (v *Values) Elect(members []crdt.ReplicaID) {
	v.mu.Lock()
	v.electorate.Store(&crdt.Electorate{Self: v.at.Replica, Members: slices.Clone(members)})
	v.mu.Unlock()
	for s := range v.slots.all() {
		s.mu.Lock()
		if s.value == nil || s.value.Kind() == crdt.KindVote || s.value.Kind() == crdt.KindORMap { // none yet: it may become a vote
			s.tell()
		}
		s.mu.Unlock()
	}
}

// put sets what is in a slot, whose lock is held.
func (v *Values) put(s *slot, value *crdt.Value, deleted bool) {
	v.values.Add(count(value != nil) - count(s.value != nil))
	v.deleted.Add(count(deleted) - count(s.deleted))
	s.value, s.deleted = value, deleted
}

func count(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
