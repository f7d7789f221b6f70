package activation_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/mallee-io/mallee"
)

func TestATypeMayAnswerCallsItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain, func(typ *mallee.Type) {
		typ.Answer = func(_ context.Context, target any, c mallee.Call) error {
			target.(*actor).touched++
			return mallee.ErrInvalid.Errorf("%s.%s was number %d", c.Interface(), c.Method(), target.(*actor).touched)
		}
	})
	defer w.stop()
	for _, want := range []string{"Actor.Do was number 1", "Actor.Do was number 2"} {
		err := w.do(background, "a", func(context.Context, *actor) error { panic("Run is not for this type") })
		if !errors.Is(err, mallee.ErrInvalid) || err.Error() != "invalid: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A turn that waits in a call of its own lets other chains in, but only then.
func TestInterleavedTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plain, func(typ *mallee.Type) { typ.Interleave = true })
		defer w.stop()
		leave, done := make(chan struct{}), make(chan error)
		go func() {
			done <- w.do(background, "a", func(ctx context.Context, a *actor) error {
				return w.do(ctx, "b", func(context.Context, *actor) error { <-leave; return nil })
			})
		}()
		synctest.Wait()
		ticked := false
		if err := w.do(background, "a", func(_ context.Context, a *actor) error {
			a.self.After(0, func(context.Context) { ticked = true })
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !ticked {
			t.Error("a tick waits for a call to another actor")
		}
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestReleaseIsCalledHoweverAnActivationEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]func(w *world){
		"requested": func(w *world) {
			_ = w.do(background, "a", func(_ context.Context, a *actor) error { a.self.DeactivateNow(); return nil })
		},
		"panic":  func(w *world) { _ = w.do(background, "a", func(context.Context, *actor) error { panic("boom") }) },
		"fenced": func(w *world) { w.fenced.Store(true); w.runtime.Fence() },
		"start": func(w *world) {
			_ = w.do(background, "bad", touch)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var released atomic.Int64
				w := newWorld(t, func(self *mallee.Self) *actor {
					a := &actor{}
					if self.Key() == "bad" {
						a.onActivate = func(context.Context) error { return errors.New("no") }
					}
					return a
				}, func(typ *mallee.Type) { typ.Release = func(any) { released.Add(1) } })
				defer w.stop()
				if name != "start" {
					if err := w.do(background, "a", touch); err != nil {
						t.Fatal(err)
					}
				}
				end(w)
				synctest.Wait()
				if n := released.Load(); n != 1 {
					t.Errorf("released %d times", n)
				}
			})
		})
	}
}
