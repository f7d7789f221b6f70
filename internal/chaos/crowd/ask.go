package crowd

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Method is what a call asks of an actor.
type Method string

// Methods of counters, registers and tallies.
const (
	Add           Method = "add"
	Get           Method = "get"
	Write         Method = "write"
	Read          Method = "read"
	CompareAndSet Method = "cas"
	Mark          Method = "mark"
)

// Ask is one call of a counter, a register or a tally.
type Ask struct {
	Method  Method
	Key     string // of the actor
	Op, Arg int64
}

// Call makes the call. The result is the sum, the value, and for CompareAndSet
// the value before.
func (a Ask) Call(ctx context.Context, caller mallee.Caller) (result int64, err error) {
	counter, register := CounterOf(caller, a.Key), RegisterOf(caller, a.Key)
	switch a.Method {
	case Add:
		return counter.Add(ctx, a.Op, a.Arg)
	case Get:
		return counter.Get(ctx, a.Op)
	case Write:
		return 0, register.Write(ctx, a.Op)
	case Read:
		return register.Read(ctx, a.Op)
	case CompareAndSet:
		return register.CompareAndSet(ctx, a.Op, a.Arg)
	case Mark:
		return 0, TallyOf(caller, a.Key).Mark(ctx, a.Op, a.Arg)
	}
	return 0, mallee.ErrInvalid.Errorf("nobody has a method %q", a.Method)
}
