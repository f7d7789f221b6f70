package activation

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Trace is told of a turn of a call before it runs. from has the caller's
// values for tracing, and nothing else; nil: it has none. The context of the
// turn gets those of values, and end is told what became of the turn.
type Trace func(from context.Context, id mallee.ID, epoch uint64, call mallee.Call) (values context.Context, end func(error))

// traced is what a turn has to do with a trace: first the values of its
// caller, then its own.
type traced struct{ values context.Context }

// errBroken is what a trace is told of a method that does not return.
var errBroken = mallee.ErrPanic.Errorf("the method has not returned")

// callTraced is call, within a trace.
func (a *Activation) callTraced(t *Turn, trace Trace) (err error) {
	var from context.Context
	if t.traced != nil {
		from = t.traced.values
	}
	values, end := trace(from, a.ID(), a.epoch, t.call)
	t.traced = &traced{values}
	err = errBroken
	defer func() { end(err) }()
	err = a.call(t)
	return err
}
