package crdt

import "slices"

// Delta is a change of a value as its users see it: what they ask for, and what
// they are told. Elements and keys are opaque bytes. Fields of other kinds than
// Kind are ignored.
type Delta struct {
	Kind Kind

	Increment uint64 // of a GCounter
	Change    int64  // of a PNCounter

	// Of an ORSet and ORMap, which are cleared first, and then lose what is
	// removed. Added belongs to a GSet too.
	Cleared bool
	Removed []string
	Added   []string

	// Of an ORMap: Updated changes keys that are there, and is ignored for others;
	// Inserted also makes them.
	Updated  []Entry
	Inserted []Entry

	// Of a Register.
	Value  string
	Clock  RegisterClock
	Custom int64 // time of the custom clocks

	Enabled bool // of a Flag

	// Of a Vote. Users ask for Self alone, and are told all.
	Self   bool
	For    int // how many members vote for
	Voters int // how many members there are
}

// Entry is a change of one key of an ORMap. ORMaps can be 32 deep in one another.
type Entry struct {
	Key   string
	Delta *Delta
}

// RegisterClock says what time a write of a Register has: the write with the
// greatest wins, and one that is not greater than what is there is ignored. The
// numbers are those of Cloudstate's CrdtClock.
type RegisterClock uint8

// Clocks of registers.
const (
	DefaultClock RegisterClock = iota // milliseconds of the wall clock, and greater than what is there
	ReverseClock                      // the same backwards, so that the first write wins
	CustomClock                       // Delta.Custom, literally
	AutoClock                         // Delta.Custom, or one more than what is there
)

// Consistency says how many replicas a change has to reach before it counts as
// acknowledged. The numbers are those of Cloudstate's CrdtWriteConsistency.
type Consistency uint8

// Levels of consistency.
const (
	Local    Consistency = iota // this node
	Majority                    // more than half of the members, and the store
	All                         // all members, and the store
)

// Size is about how many bytes the change takes when it travels, and at least what
// it adds to the value's.
func (d *Delta) Size() int {
	if d == nil {
		return 0
	}
	n := atomSize + len(d.Value)
	for _, x := range d.Removed {
		n += len(x) + atomSize
	}
	for _, x := range d.Added {
		n += len(x) + atomSize
	}
	for _, e := range d.entries() {
		n += len(e.Key) + e.Delta.Size()
	}
	return n
}

// entries are those that are updated, and those that are inserted.
func (d *Delta) entries() []Entry { return slices.Concat(d.Updated, d.Inserted) }

// count is the change of a counter.
func (d *Delta) count() int64 {
	if d.Kind == KindGCounter {
		return int64(d.Increment)
	}
	return d.Change
}
