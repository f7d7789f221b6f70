package activation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
)

func TestFailedActivationAnswersEverythingThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var attempts atomic.Int64
		w := newWorld(t, func(*mallee.Self) *actor {
			return &actor{onActivate: func(context.Context) error {
				if attempts.Add(1) == 1 {
					<-release
					return errors.New("database is away")
				}
				return nil
			}}
		})
		defer w.stop()
		const callers = 20
		results := make(chan error, callers)
		for range callers {
			go func() { results <- w.do(background, "a", touch) }()
		}
		synctest.Wait()
		close(release)
		for range callers {
			err := <-results
			wantCode(t, err, mallee.ErrActivation)
			if !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), "database is away") {
				t.Errorf("got %v", err)
			}
		}
		if err := w.do(background, "a", touch); err != nil {
			t.Errorf("the next call tries again: %v", err)
		}
	})
}

func TestPanicInConstructorAndActivation(t *testing.T) {
	t.Parallel()
	for name, create := range map[string]func(*mallee.Self) *actor{
		"constructor": func(*mallee.Self) *actor { panic("boom") },
		"OnActivate":  func(*mallee.Self) *actor { return &actor{onActivate: func(context.Context) error { panic("boom") }} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, create)
			defer w.stop()
			err := w.do(background, "a", touch)
			wantCode(t, err, mallee.ErrActivation)
			if !strings.Contains(err.Error(), "boom") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Calling back into an actor that is still activating could only wait for itself.
func TestCycleThroughActivation(t *testing.T) {
	t.Parallel()
	var w *world
	w = newWorld(t, func(self *mallee.Self) *actor {
		return &actor{onActivate: func(ctx context.Context) error {
			if self.Key() == "b" {
				return nil
			}
			return w.do(ctx, "b", func(ctx context.Context, _ *actor) error { return w.do(ctx, "a", touch) })
		}}
	})
	defer w.stop()
	err := w.do(background, "a", touch)
	wantCode(t, err, mallee.ErrActivation)
	if !strings.Contains(err.Error(), "Actor/a → Actor/b → Actor/a") {
		t.Errorf("got %v", err)
	}
}

// Koala removes an actor from its table before its loop has drained: two
// instances in one process. Here the successor starts after the last code of
// its predecessor.
func TestSuccessorStartsAfterThePredecessorHasStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Int64
		w := newWorld(t, func(*mallee.Self) *actor {
			if alive.Add(1) > 1 {
				t.Error("two instances of one actor")
			}
			return &actor{onDeactivate: func(context.Context, mallee.Reason) error {
				time.Sleep(time.Second)
				alive.Add(-1)
				return nil
			}}
		})
		defer w.stop()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := w.do(background, "a", func(_ context.Context, a *actor) error {
					a.touched++
					a.self.DeactivateNow()
					return nil
				}); err != nil && !errors.Is(err, mallee.ErrTimeout) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if w.released.Load() == 0 {
			t.Error("no grant was released")
		}
	})
}

func TestIdleActivationsEndAndBusyOnesStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reasons := make(chan mallee.Reason, 10)
		w := newWorld(t, func(*mallee.Self) *actor {
			return &actor{onDeactivate: func(_ context.Context, r mallee.Reason) error { reasons <- r; return nil }}
		}, mallee.IdleTimeout(time.Minute))
		defer w.stop()
		start := time.Now()
		if err := w.do(background, "idle", touch); err != nil {
			t.Fatal(err)
		}
		if r := <-reasons; r != mallee.ReasonIdle {
			t.Errorf("reason %v", r)
		}
		if lived := time.Since(start); lived < time.Minute || lived > 70*time.Second {
			t.Errorf("it ended after %v", lived)
		}

		for range 10 { // calls keep it alive
			if err := w.do(background, "busy", func(_ context.Context, a *actor) error { a.touched++; return nil }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Second)
		}
		if err := w.do(background, "busy", func(_ context.Context, a *actor) error {
			if a.touched != 10 {
				t.Errorf("it was activated anew: touched %d", a.touched)
			}
			a.self.KeepAlive(time.Hour)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		<-reasons
		if lived := time.Since(start); lived < time.Hour || lived > time.Hour+10*time.Second {
			t.Errorf("KeepAlive held it for %v", lived)
		}
		synctest.Wait()
		if s := w.runtime.Stats(); s.Active != 0 || s.Activations != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestOneWayCallsSurviveADeactivation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		release := make(chan struct{})
		var got []int
		go func() {
			_ = w.do(background, "a", func(_ context.Context, a *actor) error {
				a.self.DeactivateNow()
				<-release
				return nil
			})
		}()
		synctest.Wait()
		for i := range 5 {
			if err := w.as(background, "a", "Poke", mallee.OneWay, func(context.Context, *actor) error { got = append(got, i); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		close(release)
		synctest.Wait()
		if len(got) != 5 || got[0] != 0 || got[4] != 4 {
			t.Errorf("after the deactivation ran %v", got)
		}
		if lost := w.runtime.Stats().LostOneWays; lost != 0 {
			t.Errorf("%d lost", lost)
		}
	})
}

func TestStopServesWhatWaitsAndDeactivates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var deactivated atomic.Int64
		w := newWorld(t, func(*mallee.Self) *actor {
			return &actor{onDeactivate: func(_ context.Context, r mallee.Reason) error {
				if r != mallee.ReasonStopping {
					t.Errorf("reason %v", r)
				}
				deactivated.Add(1)
				return nil
			}}
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := w.do(background, "a", func(context.Context, *actor) error { time.Sleep(100 * time.Millisecond); return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		if err := w.do(background, "b", touch); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.stop()
		wg.Wait()
		if deactivated.Load() != 2 {
			t.Errorf("%d deactivated, want 2", deactivated.Load())
		}
	})
}

func TestStopGivesUpOnABlockedActor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		release := make(chan struct{})
		go func() { _ = w.do(background, "a", func(context.Context, *actor) error { <-release; return nil }) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := w.runtime.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(release)
		w.stop()
	})
}

func TestFenceEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*mallee.Self) *actor {
			return &actor{onDeactivate: func(context.Context, mallee.Reason) error {
				t.Error("a fenced actor must not write any more")
				return nil
			}}
		})
		ended := make(chan struct{})
		running := make(chan error, 1)
		waiting := make(chan error, 1)
		go func() {
			running <- w.do(background, "a", func(ctx context.Context, _ *actor) error { <-ctx.Done(); close(ended); return nil })
		}()
		synctest.Wait()
		go func() { waiting <- w.do(background, "a", touch) }()
		synctest.Wait()
		w.runtime.Fence()
		err := <-running
		wantCode(t, err, mallee.ErrUnavailable)
		if mallee.SafeToRetry(err) {
			t.Error("the running call may have done its work")
		}
		if err := <-waiting; !mallee.SafeToRetry(err) {
			t.Errorf("the waiting call has not run: %v", err)
		}
		<-ended
		synctest.Wait()
		if active := w.runtime.Stats().Active; active != 0 {
			t.Errorf("%d activations are left", active)
		}
	})
}

func TestStatelessWorkersRunSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, mallee.StatelessWorker(4), mallee.IdleTimeout(time.Minute))
		defer w.stop()
		var now, peak atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := w.do(background, "any", func(_ context.Context, a *actor) error {
					a.touched++
					peak.Store(max(peak.Load(), now.Add(1)))
					time.Sleep(time.Millisecond)
					now.Add(-1)
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if peak.Load() != 4 {
			t.Errorf("%d ran side by side, want 4", peak.Load())
		}
		time.Sleep(2 * time.Minute)
		if active := w.runtime.Stats().Active; active != 0 {
			t.Errorf("%d idle workers are left", active)
		}
	})
}
