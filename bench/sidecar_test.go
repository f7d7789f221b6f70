package main

import (
	"context"
	"testing"
	"time"
)

// Every contestant of the suite can do what it is measured for. Dapr is not
// built for a test.
func TestSidecarBenchesMeasure(t *testing.T) {
	t.Parallel()
	benches := sidecarBenches()
	for i, b := range benches {
		if b.name == "sidecar-entity-bytes" {
			benches[i] = entityBytes(8, 200)
		}
	}
	for _, b := range benches {
		for _, e := range sidecarEntrants() {
			c := e.make()
			if _, ok := c.(preparer); ok || !b.admits(c) {
				continue
			}
			t.Run(b.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				if err := c.Start(t.Context(), echoActors); err != nil {
					t.Fatal(err)
				}
				got, err := b.measure(t.Context(), c, 200*time.Millisecond)
				if err != nil || got.Failed > 0 {
					t.Errorf("measured %+v, %v", got, err)
				}
				if err := c.Stop(context.Background()); err != nil {
					t.Error("stop:", err)
				}
			})
		}
	}
}
