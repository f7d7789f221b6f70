package activation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSignalsAreTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		signal := make(chan struct{}, 1)
		turns, ended := 0, 0
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			a.self.Activation().OnSignal(signal, func() { ended++ }, func(context.Context) {
				turns++
				time.Sleep(time.Second) // what is signaled meanwhile is one turn
			})
			signal <- struct{}{}
			synctest.Wait()
			if turns != 0 {
				t.Error("a signal's turn ran beside another one")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			synctest.Wait()
			select {
			case signal <- struct{}{}:
			default:
			}
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if turns != 2 || ended != 0 {
			t.Errorf("%d turns, want 2; ended %d times", turns, ended)
		}
		if err := w.do(background, "a", func(_ context.Context, a *actor) error { a.self.DeactivateNow(); return nil }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		signal <- struct{}{}
		synctest.Wait()
		if turns != 2 || ended != 1 {
			t.Errorf("after the activation: %d turns, want 2; ended %d times, want 1", turns, ended)
		}
	})
}

func TestSignalsStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain)
		defer w.stop()
		signal := make(chan struct{}, 1)
		turns, ended := 0, 0
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			stop := a.self.Activation().OnSignal(signal, func() { ended++ }, func(context.Context) { turns++ })
			signal <- struct{}{}
			synctest.Wait() // it waits for this turn
			stop()
			stop()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.do(background, "a", touch); err != nil {
			t.Fatal(err)
		}
		if turns != 0 || ended != 1 {
			t.Errorf("%d turns, want none; ended %d times, want 1", turns, ended)
		}
	})
}
