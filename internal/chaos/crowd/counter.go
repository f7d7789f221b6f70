package crowd

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Counter adds up. It remembers every operation, and does one that comes twice
// twice: that a call runs at most once is the runtime's promise, which this
// actor is there to test.
//
//mallee:actor
type Counter interface {
	// Add returns the sum with n in it.
	Add(ctx context.Context, op, n int64) (sum int64, err error)
	Get(ctx context.Context, op int64) (sum int64, err error)
	// Ops lists up to limit operations that were added, in their order, after
	// the first skip of them.
	Ops(ctx context.Context, skip int64, limit int) (ops []int64, err error)
}

// added is the one event of a counter.
type added struct{ Op, N int64 }

var counterEvents = mallee.NewEvents(
	func(sum *int64, e added) { *sum += e.N },
	mallee.EventOf[added, added]("added", 1),
).Snapshots(100, 1)

type counter struct {
	self    *mallee.Self
	turns   Turns
	journal *mallee.Journal[int64, added]
}

func newCounter(self *mallee.Self, turns Turns) Counter {
	return &counter{self: self, turns: turns, journal: mallee.NewJournal(self, "sum", counterEvents)}
}

func (c *counter) turn(op int64, run func() error) error {
	return c.turns.Run(c.self.ID(), c.self.Epoch(), op, run)
}

func (c *counter) Add(ctx context.Context, op, n int64) (sum int64, err error) {
	err = c.turn(op, func() error {
		if err := c.journal.Append(ctx, added{op, n}); err != nil {
			return err
		}
		sum = c.journal.State
		return nil
	})
	return sum, err
}

func (c *counter) Get(_ context.Context, op int64) (sum int64, err error) {
	err = c.turn(op, func() error {
		sum = c.journal.State
		return nil
	})
	return sum, err
}

func (c *counter) Ops(ctx context.Context, skip int64, limit int) (ops []int64, err error) {
	for e, err := range c.journal.Events(ctx, uint64(skip)+1) {
		if err != nil {
			return nil, err
		}
		if len(ops) == limit {
			break
		}
		ops = append(ops, e.Op)
	}
	return ops, nil
}
