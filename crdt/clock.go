package crdt

import (
	"cmp"
	"iter"
	"slices"
)

// ReplicaID names a replica for ever: none is given twice, and later ones are
// greater. 0 names nobody: what removed replicas have counted is under it.
type ReplicaID uint64

// Dot names one batch of changes of a replica. Its batches are numbered from 1 on.
type Dot struct {
	Replica ReplicaID
	Seq     uint64
}

// Clock says which changes a node has seen: of each replica all up to a number.
// Its size is that of the cluster: replicas that have been removed for good are
// forgotten all together, by a bound of their IDs. The zero Clock has seen
// nothing.
type Clock struct {
	seen      []Dot     // in ascending order of Replica
	forgotten ReplicaID // replicas up to this one that are not in seen have been removed: all that there was of them is seen
}

// Seen is the number of the last batch of a replica that has been seen.
func (c *Clock) Seen(r ReplicaID) uint64 {
	if i, ok := c.find(r); ok {
		return c.seen[i].Seq
	}
	return 0
}

// Covers reports whether the changes of a dot have been seen.
func (c *Clock) Covers(d Dot) bool {
	if i, ok := c.find(d.Replica); ok {
		return d.Seq <= c.seen[i].Seq
	}
	return d.Replica <= c.forgotten
}

// See takes note of all batches of a replica up to a number; 0 makes the replica
// known. Lower numbers than before change nothing.
func (c *Clock) See(d Dot) {
	i, ok := c.find(d.Replica)
	switch {
	case ok:
		c.seen[i].Seq = max(c.seen[i].Seq, d.Seq)
	case d.Replica > c.forgotten:
		c.seen = slices.Insert(c.seen, i, d)
	}
}

// Forgotten reports whether a replica has been removed for good.
func (c *Clock) Forgotten(r ReplicaID) bool {
	_, ok := c.find(r)
	return !ok && r <= c.forgotten
}

// Forget removes a replica whose batches have all been seen, by every node.
// Unknown ones below it are removed too: so all that are not have to be known, if
// only by their 0.
func (c *Clock) Forget(r ReplicaID) {
	if i, ok := c.find(r); ok {
		c.seen = slices.Delete(c.seen, i, i+1)
	}
	c.forgotten = max(c.forgotten, r)
}

// All yields the replicas and the number seen of each, in ascending order.
func (c *Clock) All() iter.Seq2[ReplicaID, uint64] {
	return func(yield func(ReplicaID, uint64) bool) {
		for _, d := range c.seen {
			if !yield(d.Replica, d.Seq) {
				return
			}
		}
	}
}

// Clone is a copy.
func (c *Clock) Clone() Clock { return Clock{seen: slices.Clone(c.seen), forgotten: c.forgotten} }

func (c *Clock) find(r ReplicaID) (int, bool) {
	return slices.BinarySearchFunc(c.seen, r, func(d Dot, r ReplicaID) int { return cmp.Compare(d.Replica, r) })
}

// Merge takes in all that another clock has seen. What that one has forgotten is
// forgotten.
func (c *Clock) Merge(o *Clock) {
	c.seen = slices.DeleteFunc(c.seen, func(d Dot) bool { return o.Forgotten(d.Replica) })
	for _, d := range o.seen {
		c.See(d)
	}
	c.forgotten = max(c.forgotten, o.forgotten)
}

// Learn makes known the replicas that another clock knows, whose batches may not have
// been seen, and forgets those that it has forgotten.
func (c *Clock) Learn(o *Clock) {
	c.seen = slices.DeleteFunc(c.seen, func(d Dot) bool { return o.Forgotten(d.Replica) })
	for _, d := range o.seen {
		c.See(Dot{Replica: d.Replica})
	}
	c.forgotten = max(c.forgotten, o.forgotten)
}

// Len is how many replicas are known.
func (c *Clock) Len() int { return len(c.seen) }

// Learned reports whether Learn would change nothing.
func (c *Clock) Learned(o *Clock) bool {
	return c.forgotten >= o.forgotten && !o.ForgetsAny(c) &&
		!slices.ContainsFunc(o.seen, func(d Dot) bool { return !c.Knows(d.Replica) && !c.Forgotten(d.Replica) })
}

// Knows reports whether a replica is known, and has not been forgotten.
func (c *Clock) Knows(r ReplicaID) bool {
	_, ok := c.find(r)
	return ok
}

// ForgetsAny reports whether a replica that another clock knows has been forgotten.
func (c *Clock) ForgetsAny(o *Clock) bool {
	return slices.ContainsFunc(o.seen, func(d Dot) bool { return c.Forgotten(d.Replica) })
}

// Equal reports whether another clock has seen the same, knows the same replicas, and
// has forgotten the same.
func (c *Clock) Equal(o *Clock) bool {
	return c.forgotten == o.forgotten && slices.Equal(c.seen, o.seen)
}

// Includes reports whether all that another clock has seen has been seen. What that
// one has forgotten must be forgotten too: how much of it there was is not known.
func (c *Clock) Includes(o *Clock) bool {
	if c.forgotten < o.forgotten {
		return false
	}
	for _, d := range c.seen {
		if o.Forgotten(d.Replica) {
			return false
		}
	}
	for _, d := range o.seen {
		if d.Seq > 0 && !c.Covers(d) {
			return false
		}
	}
	return true
}

// Append appends the clock's encoding. Equal clocks have equal encodings.
func (c *Clock) Append(b []byte) []byte {
	b = appendUvarint(appendUvarint(b, uint64(c.forgotten)), uint64(len(c.seen)))
	for _, d := range c.seen {
		b = appendUvarint(appendUvarint(b, uint64(d.Replica)), d.Seq)
	}
	return b
}

// ParseClock reads what Append wrote, and returns the bytes after it. A clock of
// more than MaxReplicas is refused. ErrMalformed: it is not the encoding of a clock.
func ParseClock(b []byte) (c Clock, rest []byte, err error) {
	r := reader{rest: b}
	c.forgotten = ReplicaID(r.uvarint())
	n := r.count(2)
	if r.check(n <= MaxReplicas) && n > 0 {
		c.seen = make([]Dot, n)
	}
	for i := range c.seen {
		d := Dot{ReplicaID(r.uvarint()), r.uvarint()}
		r.check(d.Replica > 0 && d.Replica != c.forgotten && (i == 0 || d.Replica > c.seen[i-1].Replica))
		c.seen[i] = d
	}
	if r.err != nil {
		return Clock{}, nil, r.err
	}
	return c, r.rest, nil
}

// MaxReplicas bounds a clock that comes from elsewhere.
const MaxReplicas = 65536
