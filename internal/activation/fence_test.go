package activation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
)

// A process that was stopped past its lease goes on before it is fenced.
func TestNothingBeginsOnceTheLeaseHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*mallee.Self) *actor {
			return &actor{onDeactivate: func(context.Context, mallee.Reason) error {
				t.Error("OnDeactivate has run")
				return nil
			}}
		})
		running, goOn := make(chan struct{}), make(chan struct{})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			first <- w.do(t.Context(), "a", func(context.Context, *actor) error {
				close(running)
				<-goOn
				return nil
			})
		}()
		<-running
		waiting := activation.Request{ID: id("a"), Call: &call{method: "Late", run: func(context.Context, *actor) error {
			t.Error("a turn has begun")
			return nil
		}}}
		go func() { second <- w.runtime.Table("Actor").Invoke(t.Context(), &waiting) }()
		synctest.Wait()
		w.fenced.Store(true)
		close(goOn)
		if err := <-first; err != nil {
			t.Errorf("a turn that began in time: %v", err)
		}
		if err := <-second; err != activation.ErrGone {
			t.Errorf("a call that waited: %v", err)
		}
		if n := w.released.Load(); n != 1 {
			t.Errorf("%d grants were released", n)
		}
	})
}

// Nor does an activation write that was fenced, when its node has a lease again.
func TestNothingIsWrittenOnceTheLeaseHasEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"ended":                  func(w *world) { w.fenced.Store(true) },
		"fenced and there again": func(w *world) { w.runtime.Fence() },
	} {
		for _, in := range []string{"turn", "OnDeactivate"} {
			t.Run(name+" in "+in, func(t *testing.T) {
				t.Parallel()
				var w *world
				written := make(chan error, 1)
				w = newWorld(t, func(self *mallee.Self) *actor {
					records := mallee.NewTable(self, "records", func(r *string) string { return *r })
					write := func(ctx context.Context) {
						end(w)
						written <- records.Put(context.WithoutCancel(ctx), "late") // code that does not listen
					}
					return &actor{
						touch:        write,
						onDeactivate: func(ctx context.Context, _ mallee.Reason) error { write(ctx); return nil },
					}
				})
				go func() {
					_ = w.do(t.Context(), "a", func(ctx context.Context, a *actor) error { // the fence answers
						if in == "turn" {
							a.touch(ctx)
						} else {
							a.self.DeactivateNow()
						}
						return nil
					})
				}()
				if err := <-written; !errors.Is(err, mallee.ErrFenced) {
					t.Errorf("a write: %v", err)
				}
			})
		}
	}
}
