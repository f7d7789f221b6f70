package main

import (
	"context"
	"testing"
	"time"
)

// Every contestant answers.
func TestLocalContestants(t *testing.T) {
	t.Parallel()
	for _, e := range localEntrants() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			c := e.make()
			if err := c.Start(t.Context(), echoActors); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := c.Stop(context.Background()); err != nil {
					t.Error("stop:", err)
				}
			})

			call := c.(caller).Caller(t.Context())
			for i := range echoActors {
				got, err := call(i, "12345678")
				if err := check("12345678", got, err); err != nil {
					t.Errorf("actor %d: %v", i, err)
				}
			}
			if a, ok := c.(activator); ok {
				got, err := a.Activate(t.Context(), "fresh", "12345678")
				if err := check("12345678", got, err); err != nil {
					t.Error("activate:", err)
				}
			}
		})
	}
}

// Not in parallel: idle-bytes weighs the whole process.
func TestLocalBenchesMeasure(t *testing.T) {
	benches := []bench{callBench(1), callBench(16), activateBench(16, 200), idleBench(16, 200)}
	for _, b := range benches {
		t.Run(b.name, func(t *testing.T) {
			c := &channelAsk{}
			if err := c.Start(t.Context(), echoActors); err != nil {
				t.Fatal(err)
			}
			got, err := b.measure(t.Context(), c, time.Second) // long enough for a machine that is busy
			if err != nil || got.Value <= 0 || got.Failed > 0 {
				t.Errorf("measured %+v, %v", got, err)
			}
		})
	}
}
