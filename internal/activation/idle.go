package activation

import (
	"time"

	"github.com/mallee-io/mallee"
)

// sweepsPerTimeout is how often a table is searched for idle activations
// within one idle timeout, so one ends at most an eighth of it late.
const sweepsPerTimeout = 8

// sweep ends the activations of a table that have been idle for long enough,
// and comes again.
func (tb *Table) sweep() {
	r := tb.runtime
	now := r.clock.read()
	limit := int64(tb.typ.IdleTimeout)
	tb.each(func(a *Activation) {
		if a.idleFor(now) >= limit {
			a.retire(mallee.ReasonIdle)
		}
	})
	if !r.closed.Load() {
		tb.sweeper.Reset(tb.sweepInterval())
	}
}

func (tb *Table) sweepInterval() time.Duration {
	return max(tb.typ.IdleTimeout/sweepsPerTimeout, time.Millisecond)
}

// idleFor is how long nobody has called; negative while it may not end: as long
// as it has sessions, among others.
func (a *Activation) idleFor(now int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.called || a.active.n > 0 || a.mailbox.n > 0 || a.phase != running || now < a.keep || a.attached() != nil {
		return -1
	}
	return now - a.idle
}

// retire deactivates without a goroutine where no code of the actor has to run.
func (a *Activation) retire(reason mallee.Reason) {
	if !a.deactivate(reason) {
		return
	}
	if _, ok := a.actor.(mallee.Deactivator); ok || a.hasTold() {
		go a.run() // its own lane: a slow one holds nobody up
		return
	}
	a.run()
}
