package activation

import (
	"context"
	"time"
)

// timer puts a tick into the mailbox of its activation when it is due. The
// next tick is set up when one has run, at the next multiple of the interval,
// so late ones coalesce and none drifts.
type timer struct {
	activation *Activation
	fn         func(context.Context)
	first      time.Duration
	every      time.Duration // 0: once
	start      time.Time

	// Guarded by the activation's mu.
	next    *timer
	clock   *time.Timer
	stopped bool
}

// Schedule runs fn as a turn after first and then at each multiple of every.
func (a *Activation) Schedule(first, every time.Duration, fn func(context.Context)) (stop func()) {
	t := &timer{activation: a, fn: fn, first: first, every: every, start: time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase >= stopping {
		return func() {}
	}
	t.next, a.timers = a.timers, t
	t.clock = time.AfterFunc(first, t.fire)
	return t.stop
}

func (t *timer) fire() {
	a := t.activation
	turn := a.newTurn(kindTick)
	turn.tick = t
	a.mu.Lock()
	start := false
	if !t.stopped {
		start, _ = a.accept(turn) // it can fail only when the activation has ended
	}
	a.mu.Unlock()
	if start {
		a.run()
	}
}

// tick is the code of a tick's turn.
func (t *timer) tick(turn *Turn) {
	t.activation.mu.Lock()
	stopped := t.stopped // while the tick was in the mailbox
	t.activation.mu.Unlock()
	if stopped {
		return
	}
	t.fn(turn)
	t.rearm()
}

func (t *timer) rearm() {
	a := t.activation
	a.mu.Lock()
	defer a.mu.Unlock()
	if t.every == 0 || t.stopped {
		t.unlink()
		return
	}
	elapsed := time.Since(t.start)
	ticks := (elapsed-t.first)/t.every + 1
	t.clock.Reset(t.first + ticks*t.every - elapsed)
}

func (t *timer) stop() {
	t.activation.mu.Lock()
	defer t.activation.mu.Unlock()
	t.halt()
	t.unlink()
}

// halt keeps further ticks from running, also one that is in the mailbox.
func (t *timer) halt() {
	t.stopped = true
	t.clock.Stop()
}

func (t *timer) unlink() {
	for at := &t.activation.timers; *at != nil; at = &(*at).next {
		if *at == t {
			*at = t.next
			return
		}
	}
}

func (a *Activation) stopTimers() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t := a.timers; t != nil; t = t.next {
		t.halt()
	}
	a.timers = nil
}
