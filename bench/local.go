package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	echoActors = 16 // that the callers of local-call-* share
	warmKeys   = 1_000

	// The keys are bounded by the memory of the heaviest contestant, which
	// takes over 30 KB for each.
	maxKeys  = 100_000
	idleKeys = 50_000
)

func localEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return &malleeNode{} }},
		{"channel-ask", func() contestant { return &channelAsk{} }},
		{"protoactor-actor", func() contestant { return &protoActor{} }},
		{"protoactor-grain", func() contestant { return &protoGrain{} }},
		{"goakt", func() contestant { return &goAkt{} }},
		{"hollywood", func() contestant { return &hollywood{} }},
	}
}

func localBenches() []bench {
	return []bench{
		callBench(1),
		callBench(16),
		callBench(64),
		activateBench(64, maxKeys),
		idleBench(64, idleKeys),
	}
}

// callBench counts the calls per second of callers that go around the echo
// actors, each waiting for an answer before its next call.
func callBench(callers int) bench {
	return bench{
		name: fmt.Sprintf("local-call-%d", callers),
		unit: "calls/s",
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			return perSecond(ctx, callers, d, func(n int) func() error { return calling(n, c.(caller).Caller(ctx)) })
		},
	}
}

// perSecond warms callers up and then counts their steps per second.
func perSecond(ctx context.Context, callers int, d time.Duration, steps func(caller int) func() error) (sample, error) {
	warm, err := drive(ctx, callers, d/4, steps)
	if err != nil {
		return sample{}, err
	}
	runtime.GC() // nobody pays for the garbage of the warm-up
	done, err := drive(ctx, callers, d, steps)
	return newSample(done.perSecond(), warm, done), err
}

// longPerSecond is perSecond of one caller whose steps are long: the last one
// ends after d, and counts with its time.
func longPerSecond(ctx context.Context, d time.Duration, step func() error) (sample, error) {
	steps := func(int) func() error { return step }
	warm, err := drive(ctx, 1, d/4, steps)
	if err != nil {
		return sample{}, err
	}
	runtime.GC()
	begin := time.Now()
	done, err := drive(ctx, 1, d, steps)
	return newSample(float64(done.done)/time.Since(begin).Seconds(), warm, done), err
}

// activateBench counts the first calls per second to fresh actors.
func activateBench(callers, keys int) bench {
	return bench{
		name:   fmt.Sprintf("activate-%d", callers),
		unit:   "activations/s",
		admits: isActivator,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			warm, err := drive(ctx, callers, d/4, activating(ctx, c, "warm-", warmKeys))
			if err != nil {
				return sample{}, err
			}
			runtime.GC()
			firsts, err := drive(ctx, callers, d, activating(ctx, c, "key-", keys))
			return newSample(firsts.perSecond(), warm, firsts), err
		},
	}
}

// idleBench weighs activations that have answered one call each and now idle.
func idleBench(callers, keys int) bench {
	return bench{
		name:   "idle-bytes",
		unit:   "bytes",
		admits: isActivator,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			warm, err := drive(ctx, callers, d, activating(ctx, c, "warm-", warmKeys))
			if err != nil {
				return sample{}, err
			}
			before := liveBytes()
			// A count is what matters here; the time only bounds a slow contestant.
			firsts, err := drive(ctx, callers, 10*d, activating(ctx, c, "key-", keys))
			grown := liveBytes() - before
			runtime.KeepAlive(c)
			return newSample(float64(grown)/float64(firsts.done), warm, firsts), err
		},
	}
}

// liveBytes is the heap that survives collection plus the stacks of goroutines.
// The second collection empties what the first one left in pools.
func liveBytes() int64 {
	time.Sleep(100 * time.Millisecond) // for workers that are about to end
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// calling is one caller's steps around the echo actors. Callers start at
// different actors, so that they spread over them.
func calling(caller int, call echo) func() error {
	msgs := messages(caller)
	k := 0
	return func() error {
		msg := msgs[k%len(msgs)]
		got, err := call((caller+k)%echoActors, msg)
		k++
		return check(msg, got, err)
	}
}

// activating is the steps of callers that share the keys prefix1 to prefixN.
func activating(ctx context.Context, c contestant, prefix string, n int) func(caller int) func() error {
	a := c.(activator)
	var last atomic.Int64
	return func(caller int) func() error {
		msgs := messages(caller)
		return func() error {
			i := int(last.Add(1))
			if i > n {
				return errEnough
			}
			msg := msgs[i%len(msgs)]
			got, err := a.Activate(ctx, prefix+strconv.Itoa(i), msg)
			return check(msg, got, err)
		}
	}
}

// messages are 8 bytes each and different for each caller, so that an answer
// to another call shows.
func messages(caller int) []string {
	msgs := make([]string, 64)
	for i := range msgs {
		msgs[i] = fmt.Sprintf("%04x%04x", caller, i)
	}
	return msgs
}

func check(want, got string, err error) error {
	if err == nil && got != want {
		return fmt.Errorf("the echo of %q is %q", want, got)
	}
	return err
}
