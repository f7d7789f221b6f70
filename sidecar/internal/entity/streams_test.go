package entity_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
)

// All entities are served though there are few streams, also while some wait
// for others that need one.
func TestStreamsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, func(c *entity.Config) { c.Streams = entity.NewStreams(2) })
		for round := range 3 {
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					want := list([]string{"a", "a", "a"}[:round+1])
					if got, err := w.run(log, fmt.Sprint(i), emit("a")); err != nil || got != want {
						t.Errorf("%q, %v; want %q", got, err, want)
					}
				})
			}
			all.Wait()
		}
		w.router.do(func(ctx context.Context, to string) error {
			_, err := w.runWithin(ctx, log, to, read)
			return err
		})
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if _, err := w.run(log, fmt.Sprint(i), script{Effects: waiting(fmt.Sprint(i + 10))}); err != nil {
					t.Error(err)
				}
			})
		}
		start := time.Now()
		all.Wait()
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("it takes %v", waited)
		}
		if w.function.most > 2 {
			t.Errorf("%d streams were open at a time", w.function.most)
		}
	})
}
