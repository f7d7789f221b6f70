package crowd

import (
	"context"
	"os"
	"slices"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
)

// Tally changes what is replicated, at the copies of its node: a set of operations
// and a sum for each key, which every other tally may read.
//
//mallee:actor
type Tally interface {
	// Mark adds the operation to the set, and n to the sum. It returns when a majority
	// of the nodes has that.
	Mark(ctx context.Context, op, n int64) error
	// Marks is what its node has of a key: up to limit operations after one, in their
	// order.
	Marks(ctx context.Context, key string, after int64, limit int) (m Marks, err error)
}

// Marks are of one copy.
type Marks struct {
	Process int // whose copy it is
	Sum     int64
	Ops     []int64
}

type tally struct {
	self  *mallee.Self
	turns Turns
	ops   *mallee.Replicated[crdt.ORSet[int64]]
	sum   *mallee.Replicated[crdt.PNCounter]
}

func marksID(key string) mallee.ID { return mallee.ID{Type: "Marks", Key: key} }
func sumID(key string) mallee.ID   { return mallee.ID{Type: "Sum", Key: key} }

func newTally(self *mallee.Self, turns Turns) Tally {
	return &tally{
		self: self, turns: turns,
		ops: mallee.NewReplicated[crdt.ORSet[int64]](self, marksID(self.Key())),
		sum: mallee.NewReplicated[crdt.PNCounter](self, sumID(self.Key())),
	}
}

func (t *tally) Mark(ctx context.Context, op, n int64) error {
	return t.turns.Run(t.self.ID(), t.self.Epoch(), op, func() error {
		if err := t.ops.Value.Add(op); err != nil {
			return err
		}
		if _, err := t.sum.Value.Add(n); err != nil {
			return err
		}
		return t.sum.Wait(ctx, crdt.Majority) // for both
	})
}

func (t *tally) Marks(ctx context.Context, key string, after int64, limit int) (m Marks, err error) {
	marks := t.self.Replica(marksID(key))
	if err := marks.Refresh(ctx); err != nil {
		return m, err
	}
	m.Process = os.Getpid()
	if m.Sum, err = (crdt.PNCounter{}).On(t.self.Replica(sumID(key))).Value(); err != nil {
		return m, err
	}
	for op, err := range (crdt.ORSet[int64]{}).On(marks).All() {
		if err != nil {
			return m, err
		}
		if op > after {
			m.Ops = append(m.Ops, op)
		}
	}
	slices.Sort(m.Ops)
	m.Ops = m.Ops[:min(len(m.Ops), limit)]
	return m, nil
}
