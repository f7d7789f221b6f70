package mallee

import (
	"context"
	"time"
)

// Timer runs a function as turns of its actor until it is stopped or the
// activation ends. Ticks wait in line with calls, do not drift (the n-th is
// due at start + n*interval), and late ones coalesce into one. They do not
// hold off the idle timeout. A panic in the function ends the activation.
type Timer struct{ stop func() }

// Every starts a timer that ticks each interval, which must be positive.
func (s *Self) Every(interval time.Duration, tick func(context.Context)) *Timer {
	if interval <= 0 {
		panic("mallee: Self.Every needs a positive interval")
	}
	return &Timer{stop: s.activation.Schedule(interval, interval, tick)}
}

// After starts a timer that ticks once, after delay.
func (s *Self) After(delay time.Duration, tick func(context.Context)) *Timer {
	return &Timer{stop: s.activation.Schedule(delay, 0, tick)}
}

// Stop ends the timer. Called in a turn of the actor, no tick runs after it.
// It may be called again.
func (t *Timer) Stop() { t.stop() }
