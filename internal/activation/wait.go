package activation

import (
	"context"

	"github.com/mallee-io/mallee"
)

// waiter is where a goroutine waits for one signal. Waiters are pooled by the
// runtime, since a channel costs more than the rest of a call's bookkeeping.
type waiter struct {
	ready chan struct{}
	err   *mallee.Error // of the call, written before the signal
}

// signal wakes the waiter. Each use of a waiter gets exactly one signal, so it
// never blocks.
func (w *waiter) signal() { w.ready <- struct{}{} }

func (r *Runtime) newWaiter() *waiter { return r.waiters.Get().(*waiter) }

// await returns when the turn has its answer, or ctx ends, whichever is first.
func (a *Activation) await(ctx context.Context, t *Turn) error {
	w := t.waiter
	if done := ctx.Done(); done == nil {
		<-w.ready // the watch ends it at the deadline
	} else {
		select {
		case <-w.ready:
		case <-done:
			a.abandon(t, ctx.Err())
			<-w.ready
		}
	}
	err := w.err
	w.err = nil
	a.table.runtime.waiters.Put(w)
	if err != nil { // a nil *Error must not become a non-nil error
		return err
	}
	return nil
}
