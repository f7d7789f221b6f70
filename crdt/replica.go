package crdt

import "context"

// Electorate says for whom a Vote is counted.
type Electorate struct {
	Self    ReplicaID
	Members []ReplicaID // Self among them
}

// Replica is this node's copy of one replicated value. It is implemented by the
// runtime. Its methods are safe for concurrent use; they do not block, but for
// Wait and Refresh.
type Replica interface {
	// Read calls f with the copy, which is nil as long as there is no value, and f
	// must neither change nor keep. Other changes wait meanwhile.
	Read(f func(v *Value, e Electorate)) error
	// Change changes the copy at once, and makes the value if there is none. It
	// fails, and changes nothing, with ErrDeleted, ErrKind, or what else the delta
	// cannot do.
	Change(d *Delta) error
	// Count is Change for a counter of the kind, and gives its value then.
	Count(kind Kind, change int64) (value int64, err error)
	// Delete deletes the value for ever: nothing can have its name again.
	Delete() error
	// Deleted reports whether the value has been deleted, here or elsewhere.
	Deleted() bool
	// Wait returns when all changes that this node has made until now, of any value,
	// have reached as many replicas as asked for and, unless that is Local, the
	// store. Local waits too while the node has just started and does not have yet
	// what the others have; until then changes fail. Its error says how far they have come: they stay, and spread.
	Wait(ctx context.Context, c Consistency) error
	// Refresh returns when this node has all that a majority of the members had when
	// it was called, so that a change which somebody has waited for by Majority is
	// seen. Its error leaves the copy as it is.
	Refresh(ctx context.Context) error
	// Watch gives a channel that gets a value after changes, its own and others',
	// one for all those since the last that was taken. Stop ends it.
	Watch() (changes <-chan struct{}, stop func())
	// Revision is a number that, as long as somebody watches, grows by one with each
	// Change that does not fail, even of nothing, and with all else that Watch tells.
	// So one that has grown by no more than its user's own changes means that there
	// were no others. It wraps around.
	Revision() uint32
}

// Handle is a view of a Replica in the words of one kind: On gives it. The handles
// of this package are PNCounter, GCounter, ORSet, GSet, Register, Flag, ORMap and
// Vote.
type Handle[T any] interface{ On(r Replica) T }
