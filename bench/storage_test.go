package main

import (
	"errors"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

// Every contestant of the suite can do what it is measured for.
func TestStorageBenchesMeasure(t *testing.T) {
	t.Parallel()
	benches := storageBenches()
	for i, b := range benches {
		switch b.name {
		case "state-load":
			benches[i] = stateLoadBench(1, 50_000)
		case "replay":
			benches[i] = replayBench(2000)
		}
	}
	for _, b := range benches {
		for _, e := range storageEntrants() {
			c := e.make()
			if !b.admits(c) {
				continue
			}
			t.Run(b.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				got, err := b.measure(t.Context(), c, 200*time.Millisecond)
				if errors.Is(err, postgrestest.ErrNotInstalled) {
					t.Skip(err)
				}
				if err != nil || got.Value <= 0 || got.Failed > 0 {
					t.Errorf("measured %+v, %v", got, err)
				}
			})
		}
	}
}
