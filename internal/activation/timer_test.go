package activation_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
)

func TestTimerDoesNotDriftAndCoalesces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		start := time.Now()
		var ticks []time.Duration
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			a.self.Every(time.Second, func(context.Context) {
				ticks = append(ticks, time.Since(start))
				a.touched++
				switch len(ticks) {
				case 2:
					time.Sleep(300 * time.Millisecond) // late work does not move the next tick
				case 3:
					time.Sleep(2500 * time.Millisecond) // the ticks at 4 s and 5 s are left out
				}
			})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7500 * time.Millisecond)
		if err := w.do(background, "a", touch); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{1 * time.Second, 2 * time.Second, 3 * time.Second, 6 * time.Second, 7 * time.Second}
		if !slices.Equal(ticks, want) {
			t.Errorf("ticks at %v, want %v", ticks, want)
		}
	})
}

func TestTimerTicksAreTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		ticked := false
		var timer *mallee.Timer
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			timer = a.self.After(time.Second, func(context.Context) { ticked = true })
			time.Sleep(2 * time.Second) // the tick is due now, and waits
			if ticked {
				t.Error("the tick ran beside a turn")
			}
			timer.Stop()
			timer.Stop()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if ticked {
			t.Error("a stopped timer ticked")
		}
	})
}

func TestTimersEndWithTheActivationAndDoNotHoldIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, mallee.IdleTimeout(time.Minute))
		defer w.stop()
		ticks := 0
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			a.self.Every(time.Second, func(context.Context) { ticks++ })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if active := w.runtime.Stats().Active; active != 0 {
			t.Fatal("the timer held its activation")
		}
		before := ticks
		if before < 60 || before > 68 {
			t.Errorf("%d ticks in a minute's life", before)
		}
		time.Sleep(time.Minute)
		if ticks != before {
			t.Error("the timer outlived its activation")
		}
	})
}

func TestPanicInATimerEndsTheActivation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			a.self.After(time.Second, func(context.Context) { panic("boom") })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if active := w.runtime.Stats().Active; active != 0 {
			t.Error("the broken activation lives on")
		}
	})
}

func TestTimersOfAnActorThatCouldNotStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(self *mallee.Self) *actor {
			return &actor{onActivate: func(context.Context) error {
				self.Every(time.Second, func(context.Context) { t.Error("it ticked") })
				return mallee.ErrUnavailable
			}}
		})
		defer w.stop()
		wantCode(t, w.do(background, "a", touch), mallee.ErrActivation)
		time.Sleep(time.Minute)
	})
}
