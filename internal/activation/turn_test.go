package activation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
)

var background = context.Background()

func TestOneTurnAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	const callers, calls = 16, 200
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range calls {
				if err := w.do(background, "a", touch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.do(background, "a", func(_ context.Context, a *actor) error {
		if a.touched != callers*calls {
			t.Errorf("%d turns ran, want %d", a.touched, callers*calls)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsLeaveTheActorTheSameWayEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	bad := mallee.NewError("game.bad_name", "bad name")
	notRun := mallee.ErrOverloaded.Errorf("somewhere else").BeforeRun()
	err := w.do(background, "a", func(context.Context, *actor) error { return fmt.Errorf("join: %w", bad) })
	if !errors.Is(err, bad) || !strings.Contains(err.Error(), "join") {
		t.Errorf("got %v", err)
	}
	err = w.do(background, "a", func(context.Context, *actor) error { return notRun })
	if mallee.SafeToRetry(err) {
		t.Error("a method that returned ran, whatever its own call did")
	}
	err = w.do(background, "a", func(context.Context, *actor) error { return errors.New("plain") })
	wantCode(t, err, mallee.NewError(mallee.CodeUnknown, ""))
}

func TestReentrantChainRunsNested(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	// a calls b, b calls a back while a waits, and a itself.
	err := w.do(background, "a", func(ctx context.Context, a *actor) error {
		a.touched++
		err := w.do(ctx, "b", func(ctx context.Context, b *actor) error {
			b.touched++
			return w.do(ctx, "a", func(ctx context.Context, again *actor) error {
				again.touched++
				return w.do(ctx, "a", touch)
			})
		})
		if a.touched != 3 {
			return fmt.Errorf("touched %d times, want 3", a.touched)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A turn that comes back from a call has to wait for a nested turn that still
// runs, or two goroutines would touch the actor.
func TestBatonComesBackOnlyAfterTheNestedTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		nested := false
		err := w.do(background, "a", func(ctx context.Context, a *actor) error {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			err := w.do(short, "b", func(ctx context.Context, _ *actor) error {
				return w.do(ctx, "a", func(context.Context, *actor) error {
					time.Sleep(3 * time.Second) // ignores its context
					nested = true
					return nil
				})
			})
			wantCode(t, err, mallee.ErrTimeout)
			if !nested {
				t.Error("the outer turn went on while the nested one ran")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// Two calls of one turn, side by side, may both come back to the actor.
func TestFanOutWithCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	err := w.do(background, "hub", func(ctx context.Context, hub *actor) error {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if err := w.do(ctx, fmt.Sprint("spoke", i), func(ctx context.Context, _ *actor) error {
					return w.do(ctx, "hub", touch)
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if hub.touched != 8 {
			return fmt.Errorf("touched %d times, want 8", hub.touched)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A callback of another chain waits its turn, although the actor waits in a call.
func TestOtherChainsDoNotInterleave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		release := make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- w.do(background, "a", func(ctx context.Context, a *actor) error {
				a.touched = 1
				err := w.do(ctx, "b", func(context.Context, *actor) error { <-release; return nil })
				if a.touched != 1 {
					return errors.New("another chain ran in between")
				}
				return err
			})
		}()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- w.do(background, "a", touch) }()
		synctest.Wait()
		close(release)
		if err := errors.Join(<-first, <-second); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNonReentrantCycleFailsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, mallee.NonReentrant())
		defer w.stop()
		start := time.Now()
		err := w.do(background, "a", func(ctx context.Context, _ *actor) error {
			return w.do(ctx, "b", func(ctx context.Context, _ *actor) error {
				return w.do(ctx, "a", touch)
			})
		})
		wantCode(t, err, mallee.ErrCycle)
		if !strings.Contains(err.Error(), "Actor/a → Actor/b → Actor/a") {
			t.Errorf("the error does not name the cycle: %v", err)
		}
		if time.Since(start) != 0 {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

func TestEndlessRecursionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	var again func(ctx context.Context, a *actor) error
	again = func(ctx context.Context, _ *actor) error { return w.do(ctx, "a", again) }
	wantCode(t, w.do(background, "a", again), mallee.ErrCycle)
}

func TestReadOnlyTurnsInterleave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		release := make(chan struct{})
		var order []string
		read := func(ctx context.Context, _ *actor) error {
			order = append(order, "read")
			return w.do(ctx, "elsewhere", func(context.Context, *actor) error { <-release; return nil })
		}
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.as(background, "a", "Read", mallee.ReadOnly, read) })
		synctest.Wait()
		wg.Go(func() {
			_ = w.as(background, "a", "Look", mallee.ReadOnly, func(context.Context, *actor) error {
				order = append(order, "look")
				return nil
			})
		})
		synctest.Wait()
		wg.Go(func() {
			_ = w.as(background, "a", "Write", 0, func(context.Context, *actor) error {
				order = append(order, "write")
				return nil
			})
		})
		synctest.Wait()
		wg.Go(func() { // behind the writer: readers do not starve it
			_ = w.as(background, "a", "Late", mallee.ReadOnly, func(context.Context, *actor) error {
				order = append(order, "late")
				return nil
			})
		})
		synctest.Wait()
		close(release)
		wg.Wait()
		if got := strings.Join(order, " "); got != "read look write late" {
			t.Errorf("order %q", got)
		}
	})
}

func TestOneWayCallsRunInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	var got []int
	for i := range 100 {
		if err := w.as(background, "a", "Poke", mallee.OneWay, func(context.Context, *actor) error {
			got = append(got, i)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.do(background, "a", touch); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != i {
			t.Fatalf("one-way call %d ran in place %d", got[i], i)
		}
	}
	if len(got) != 100 {
		t.Fatalf("%d of 100 ran", len(got))
	}
}

func TestDeadlineOfABlockedActor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		release := make(chan struct{})
		start := time.Now()
		err := w.as(background, "a", "Slow", 0, func(ctx context.Context, _ *actor) error {
			<-release // ignores its context
			return nil
		})
		wantCode(t, err, mallee.ErrTimeout)
		if mallee.SafeToRetry(err) {
			t.Error("the call ran")
		}
		if waited := time.Since(start); waited < 5*time.Second || waited > 5200*time.Millisecond {
			t.Errorf("default deadline came after %v", waited)
		}
		// The next one is told who is in its way.
		short, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		err = w.do(short, "a", touch)
		wantCode(t, err, mallee.ErrTimeout)
		if !mallee.SafeToRetry(err) {
			t.Error("the call never ran")
		}
		if !strings.Contains(err.Error(), "Actor/a.Slow has been running for 6") {
			t.Errorf("the error does not say what blocks: %v", err)
		}
		// Other actors go on.
		if err := w.do(background, "b", touch); err != nil {
			t.Error(err)
		}
		close(release)
	})
}

func TestCancellationReachesTheWholeChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		ctx, cancel := context.WithCancel(background)
		reached := false
		done := make(chan error, 1)
		go func() {
			done <- w.do(ctx, "a", func(ctx context.Context, _ *actor) error {
				return w.do(ctx, "b", func(ctx context.Context, _ *actor) error {
					<-ctx.Done()
					reached = true
					return ctx.Err()
				})
			})
		}()
		synctest.Wait()
		cancel()
		wantCode(t, <-done, mallee.ErrCanceled)
		synctest.Wait()
		if !reached {
			t.Error("the inner turn was not told")
		}
	})
}

func TestContextOfATurnEndsWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	var kept context.Context
	if err := w.do(background, "a", func(ctx context.Context, _ *actor) error {
		kept = ctx
		return ctx.Err()
	}); err != nil {
		t.Fatal(err)
	}
	if _, ok := kept.Deadline(); !ok {
		t.Error("a turn's context has a deadline")
	}
	<-kept.Done()
	if !errors.Is(kept.Err(), context.Canceled) {
		t.Errorf("got %v", kept.Err())
	}
	wantCode(t, w.do(kept, "b", touch), mallee.ErrCanceled)
}

func TestFullMailboxRefusesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, mallee.MailboxSize(100))
		defer w.stop()
		release := make(chan struct{})
		var refused, ran atomic.Int64
		var wg sync.WaitGroup
		for range 100_000 {
			wg.Go(func() {
				err := w.do(background, "a", func(context.Context, *actor) error { <-release; return nil })
				switch {
				case err == nil:
					ran.Add(1)
				case errors.Is(err, mallee.ErrOverloaded) && mallee.SafeToRetry(err):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if err := w.do(background, "b", touch); err != nil {
			t.Errorf("another actor is disturbed: %v", err)
		}
		close(release)
		wg.Wait()
		if ran.Load() != 101 || refused.Load() != 100_000-101 {
			t.Errorf("%d ran and %d were refused", ran.Load(), refused.Load())
		}
	})
}

func TestPanicFailsTheCallAndEndsTheActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	err := w.do(background, "a", func(_ context.Context, a *actor) error {
		a.touched = 7
		panic("boom")
	})
	wantCode(t, err, mallee.ErrPanic)
	if !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
	if err := w.do(background, "a", func(_ context.Context, a *actor) error {
		if a.touched != 0 {
			t.Error("the broken activation lives on")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestGoexitDoesNotHangTheActor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	defer w.stop()
	err := w.do(background, "a", func(context.Context, *actor) error { runtime.Goexit(); return nil })
	wantCode(t, err, mallee.ErrPanic)
	if err := w.do(background, "a", touch); err != nil {
		t.Fatal(err)
	}
}
