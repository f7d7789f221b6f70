package main

import (
	"context"
	"runtime"
	"time"
)

// activeEntities is how many entities a sidecar is weighed with.
const activeEntities = 100_000

func sidecarEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return &malleeSidecar{} }},
		{"grpc-proxy-hop", func() contestant { return &proxyHop{} }},
		{"grpc-stream", func() contestant { return &grpcStreams{} }},
		{"dapr-actor", func() contestant { return &daprActor{} }},
		{"dapr-actor-sqlite", func() contestant { return &daprLedger{} }},
	}
}

func sidecarBenches() []bench {
	return []bench{
		named("sidecar-echo-1", remoteLatency()),
		named("sidecar-echo-64", remoteCalls(64)),
		named("sidecar-append-64", appendBench(64, isAppender)),
		entityBytes(64, activeEntities),
	}
}

// resident is a contestant whose activations are in a process that can be weighed.
type resident interface {
	activator
	residentBytes() (int64, error)
}

// entityBytes weighs entities that have answered one command each and stay
// active.
func entityBytes(callers, entities int) bench {
	return bench{
		name:   "sidecar-entity-bytes",
		unit:   "bytes RSS",
		admits: func(c contestant) bool { _, ok := c.(resident); return ok },
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			warm, err := drive(ctx, callers, d, activating(ctx, c, "warm-", warmKeys))
			if err != nil {
				return sample{}, err
			}
			before, err := c.(resident).residentBytes()
			if err != nil {
				return sample{}, err
			}
			// A count is what matters here; the time only bounds a slow contestant.
			firsts, err := drive(ctx, callers, 60*d, activating(ctx, c, "key-", entities))
			if err != nil {
				return sample{}, err
			}
			after, err := c.(resident).residentBytes()
			runtime.KeepAlive(c)
			return newSample(float64(after-before)/float64(firsts.done), warm, firsts), err
		},
	}
}
