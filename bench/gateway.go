package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func gatewayEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return &malleeGateway{} }},
		{"bare-websocket", func() contestant { return &wsContestant{library: "gobwas"} }},
		{"centrifuge", func() contestant { return &centrifugal{} }},
	}
}

func gatewayBenches() []bench {
	return []bench{
		named("gateway-echo-100", wsEchoes(100)),
		notFor(isCentrifugal, apart(named("gateway-echo-100-remote", wsEchoes(100)))),
		notFor(isCentrifugal, named("gateway-push-10000", wsFanOut(10_000))),
		named("gateway-idle-bytes", wsIdleBytes(15_000)),
		gatewayResume(1000),
	}
}

func named(name string, b bench) bench {
	b.name = name
	return b
}

func notFor(who func(contestant) bool, b bench) bench {
	b.admits = func(c contestant) bool { return !who(c) }
	return b
}

// apart has Mallee's gateway in a process of its own, in front of that of a
// node. The others have one process all the same.
func apart(b bench) bench {
	measure := b.measure
	b.measure = func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
		if !isGateway(c) {
			return measure(ctx, c, d)
		}
		m := new(malleeGateways)
		if err := m.start(ctx, 1); err != nil {
			return sample{}, err
		}
		s, err := measure(ctx, m, d)
		return s, errors.Join(err, m.Stop(ctx))
	}
	return b
}

// gatewayResume is how long it takes until all clients of a gateway that is
// killed have their sessions at another one.
func gatewayResume(clients int) bench {
	return bench{
		name:   fmt.Sprintf("gateway-resume-%d", clients),
		unit:   "ms",
		admits: isGateway,
		measure: func(ctx context.Context, _ contestant, _ time.Duration) (sample, error) {
			m := new(malleeGateways)
			if err := m.start(ctx, 2); err != nil {
				return sample{}, err
			}
			to := m.gateways[1].addr
			all, err := dialFramed(ctx, m.gateways[0].addr, clients)
			if err != nil {
				return sample{}, err
			}
			took, err := moveFramed(ctx, all, m.killFirst, to)
			return newSample(float64(took.Milliseconds())), errors.Join(err, m.Stop(ctx))
		},
	}
}
