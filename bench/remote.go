package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

func remoteEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return &malleeRemote{} }},
		{"bare-mux", func() contestant { return &bareMux{} }},
		{"bare-mux-yielding", func() contestant { return &bareMux{yields: true} }},
		{"protoactor-grain", func() contestant { return &protoRemote{} }},
		{"grpc-unary", func() contestant { return &grpcUnary{} }},
	}
}

func remoteBenches() []bench {
	return []bench{
		remoteLatency(),
		remoteCalls(64),
		coldCalls(64),
		clusterBytes(64, idleKeys),
		pdRecovery(1_000_000),
	}
}

func isCaller(c contestant) bool {
	_, ok := c.(caller)
	return ok
}

// remoteCalls counts the calls per second of callers to actors of another process.
func remoteCalls(callers int) bench {
	b := callBench(callers)
	b.name = fmt.Sprintf("remote-call-%d", callers)
	b.admits = isCaller
	return b
}

// remoteLatency is the median time of one caller's calls.
func remoteLatency() bench {
	return bench{
		name:   "remote-call-1",
		unit:   "ns (p50)",
		admits: isCaller,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			var times []time.Duration
			step := calling(0, c.(caller).Caller(ctx))
			timed := func() error {
				begin := time.Now()
				err := step()
				times = append(times, time.Since(begin))
				return err
			}
			warm, err := drive(ctx, 1, d/4, func(int) func() error { return timed })
			if err != nil {
				return sample{}, err
			}
			times = times[:0]
			done, err := drive(ctx, 1, d, func(int) func() error { return timed })
			if err != nil {
				return sample{}, err
			}
			slices.Sort(times)
			return newSample(float64(times[len(times)/2].Nanoseconds()), warm, done), nil
		},
	}
}

// coldCalls counts the first calls per second to fresh actors of another process.
func coldCalls(callers int) bench {
	b := activateBench(callers, maxKeys)
	b.name = fmt.Sprintf("cold-call-%d", callers)
	return b
}

// clustered is a contestant whose activations and directory are in other
// processes.
type clustered interface {
	activator
	liveBytes() (int64, error)
}

// clusterBytes weighs activations that have answered one call each and now
// idle, where they live and where it is known that they live there.
func clusterBytes(callers, keys int) bench {
	return bench{
		name:   "idle-bytes-cluster",
		unit:   "bytes",
		admits: func(c contestant) bool { _, ok := c.(clustered); return ok },
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			warm, err := drive(ctx, callers, d, activating(ctx, c, "warm-", warmKeys))
			if err != nil {
				return sample{}, err
			}
			before, err := c.(clustered).liveBytes()
			if err != nil {
				return sample{}, err
			}
			firsts, err := drive(ctx, callers, 10*d, activating(ctx, c, "key-", keys))
			if err != nil {
				return sample{}, err
			}
			after, err := c.(clustered).liveBytes()
			return newSample(float64(after-before)/float64(firsts.done), warm, firsts), err
		},
	}
}
