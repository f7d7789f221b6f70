package crowd

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Register keeps one value: the number of the operation that wrote it, so a
// value tells where it comes from. It is 0 at first.
//
//mallee:actor
type Register interface {
	// Write makes op the value.
	Write(ctx context.Context, op int64) error
	Read(ctx context.Context, op int64) (value int64, err error)
	// CompareAndSet makes op the value if it is old, and returns what it was
	// before in any case.
	CompareAndSet(ctx context.Context, op, old int64) (before int64, err error)
}

type register struct {
	self  *mallee.Self
	turns Turns
	state *mallee.State[int64]
}

func newRegister(self *mallee.Self, turns Turns) Register {
	return &register{self: self, turns: turns, state: mallee.NewState[int64](self, "value")}
}

func (r *register) turn(op int64, run func() error) error {
	return r.turns.Run(r.self.ID(), r.self.Epoch(), op, run)
}

func (r *register) set(ctx context.Context, value int64) error {
	r.state.Value = value
	return r.state.Save(ctx)
}

func (r *register) Write(ctx context.Context, op int64) error {
	return r.turn(op, func() error { return r.set(ctx, op) })
}

func (r *register) Read(_ context.Context, op int64) (value int64, err error) {
	err = r.turn(op, func() error {
		value = r.state.Value
		return nil
	})
	return value, err
}

func (r *register) CompareAndSet(ctx context.Context, op, old int64) (before int64, err error) {
	err = r.turn(op, func() error {
		if before = r.state.Value; before == old {
			return r.set(ctx, op)
		}
		return nil
	})
	return before, err
}
