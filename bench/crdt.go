package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	fewChanges    = 300       // changes per second of all processes, which all contestants can hold
	changeRate    = 50_000    // what crdt-visible is about
	crowdEntities = 1_000_000 // that a process is weighed with, and a newcomer gets
)

func crdtEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return malleeReplicas{} }},
		{"mutex-counter", func() contestant { return mutexCounter{} }},
		{"bare-tcp", func() contestant { return bareMesh{} }},
		{"goakt", func() contestant { return goAktValues{} }},
		{"go-map", func() contestant { return goMap{} }},
		{"whole-state", func() contestant { return wholeState{} }},
	}
}

func crdtBenches() []bench {
	benches := []bench{
		incrementBench("crdt-local-inc", "read+increment/s per core", perCore),
		incrementBench("crdt-local-inc-allocs", "allocations per 1000", per1000),
		visibleBench("crdt-visible", "us (p99)", changeRate, latency(99)),
		visibleBench("crdt-visible-p50", "us (p50)", changeRate, latency(50)),
		visibleBench("crdt-visible-cpu", "CPU ms/s", changeRate, cpuUsed),
		visibleBench("crdt-visible-300", "us (p99)", fewChanges, latency(99)),
		crowdBench("crdt-entity-bytes", "bytes RSS", crowdEntities, residentOf),
		crowdBench("crdt-entity-heap", "bytes", crowdEntities, liveOf),
		newcomerBench(crowdEntities),
	}
	for _, elements := range []int{10, 100, 1000, 10_000, 100_000} {
		benches = append(benches, changeBytesBench(elements))
	}
	return benches
}

// An incrementing contestant has counters.
type incrementing interface {
	// counters gives each caller a counter of its own; a step of it reads the
	// counter and increments it. The counters have counted all steps when they end.
	counters(ctx context.Context) (steps func(caller int) func() error, end func() error, err error)
}

// increments are what was counted, and what was allocated meanwhile.
type increments struct {
	tally
	callers, mallocs int
}

func perCore(i increments) float64 { return i.perSecond() / float64(i.callers) }
func per1000(i increments) float64 { return 1000 * float64(i.mallocs) / float64(i.done) }

// incrementBench has a caller on each core.
func incrementBench(name, unit string, value func(increments) float64) bench {
	return bench{
		name:   name,
		unit:   unit,
		admits: func(c contestant) bool { _, ok := c.(incrementing); return ok },
		measure: func(ctx context.Context, c contestant, d time.Duration) (s sample, err error) {
			steps, end, err := c.(incrementing).counters(ctx)
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, end()) }()
			callers := runtime.GOMAXPROCS(0)
			warm, err := drive(ctx, callers, d/4, steps)
			if err != nil {
				return sample{}, err
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			done, err := drive(ctx, callers, d, steps)
			runtime.ReadMemStats(&after)
			return newSample(value(increments{done, callers, int(after.Mallocs - before.Mallocs)}), warm, done), err
		},
	}
}

// changeBytesBench counts the bytes that tell another process of one change of a
// set.
func changeBytesBench(elements int) bench {
	return bench{
		name:   fmt.Sprintf("crdt-change-bytes-%d", elements),
		unit:   "bytes",
		admits: func(c contestant) bool { _, ok := c.(telling); return ok },
		measure: func(_ context.Context, c contestant, _ time.Duration) (sample, error) {
			bytes, err := c.(telling).changeBytes(elements)
			return sample{Value: bytes}, err
		},
	}
}

// A telling contestant tells other processes of changes.
type telling interface {
	// changeBytes is what it sends to another process for one change of a set
	// that has so many elements.
	changeBytes(elements int) (float64, error)
}
