package activation

import (
	"context"
	"time"
)

// timer puts a tick into the mailbox of its activation when it is due, by the
// clock or by a signal. The next tick is set up when one has run, at the next
// multiple of the interval, so late ones coalesce and none drifts.
type timer struct {
	activation *Activation
	fn         func(context.Context)
	first      time.Duration
	every      time.Duration // 0: once
	start      time.Time
	signal     <-chan struct{} // nil: by the clock
	over       chan struct{}   // of one with a signal: closed by halt
	end        func()          // and called by it

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

// OnSignal runs fn as a turn after what a channel gives, once for all that it has
// given before the turn. End is called when that is over, and must not block.
func (a *Activation) OnSignal(signal <-chan struct{}, end func(), fn func(context.Context)) (stop func()) {
	t := &timer{activation: a, fn: fn, signal: signal, over: make(chan struct{}), end: end}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase >= stopping {
		end()
		return func() {}
	}
	t.next, a.timers = a.timers, t
	go t.await()
	return t.stop
}

// await fires at the next signal.
func (t *timer) await() {
	select {
	case _, more := <-t.signal:
		if more {
			t.fire()
		}
	case <-t.over:
	}
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
	if t.signal != nil && !t.stopped {
		go t.await()
		return
	}
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
	if t.stopped {
		return
	}
	t.stopped = true
	if t.signal == nil {
		t.clock.Stop()
		return
	}
	close(t.over)
	t.end()
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
