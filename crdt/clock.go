package crdt

import (
	"cmp"
	"iter"
	"slices"
)

// ReplicaID names a replica for ever: none is given twice, and later ones are
// greater. 0 names nobody; atoms of replicas that have been removed are under it.
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
// Unknown ones below it are removed too: they have never been heard of.
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

// Merge takes in all that another clock has seen.
func (c *Clock) Merge(o *Clock) { panic("not yet") }

// Includes reports whether all that another clock has seen has been seen.
func (c *Clock) Includes(o *Clock) bool { panic("not yet") }

// Append appends the clock's encoding.
func (c *Clock) Append(b []byte) []byte { panic("not yet") }

// ParseClock reads what Append wrote, and returns the bytes after it. A clock of
// more than MaxReplicas is refused.
func ParseClock(b []byte) (c Clock, rest []byte, err error) { panic("not yet") }

// MaxReplicas bounds a clock that comes from elsewhere.
const MaxReplicas = 65536
