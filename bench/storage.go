package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

const (
	storedStates = 1_000_000 // among which state-load reads
	storedEvents = 100_000   // that replay replays
)

func storageEntrants() []entrant {
	return []entrant{
		{"mallee", func() contestant { return &malleeStore{} }},
		{"pebble-set-sync", func() contestant { return pebbleSetSync{} }},
		{"fdatasync", func() contestant { return fdatasync{} }},
		{"postgres-one-row", func() contestant { return postgresOneRow{} }},
	}
}

func storageBenches() []bench {
	return []bench{
		appendBench(1, isAppender),
		appendBench(64, func(c contestant) bool { _, one := c.(fdatasync); return isAppender(c) && !one }),
		stateLoadBench(64, storedStates),
		replayBench(storedEvents),
		postgresBench(),
	}
}

// An appender writes small events, each durable before the step ends. Callers
// have something of their own to write to.
type appender interface {
	Appends(ctx context.Context, dir string) (steps func(caller int) func() error, end func() error, err error)
}

func isAppender(c contestant) bool {
	_, ok := c.(appender)
	return ok
}

// started is for contestants that begin when they are measured.
type started struct{}

func (started) Start(context.Context, int) error { return nil }
func (started) Stop(context.Context) error       { return nil }

// inTemp runs work in a directory that is removed afterwards.
func inTemp(work func(dir string) (sample, error)) (s sample, err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return work(dir)
}

// appendBench counts durable writes per second.
func appendBench(callers int, admits func(contestant) bool) bench {
	return bench{
		name:   fmt.Sprintf("append-%d", callers),
		unit:   "events/s",
		admits: admits,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			return inTemp(func(dir string) (s sample, err error) {
				steps, end, err := c.(appender).Appends(ctx, dir)
				if err != nil {
					return sample{}, err
				}
				defer func() { err = errors.Join(err, end()) }()
				return perSecond(ctx, callers, d, steps)
			})
		},
	}
}

// stateLoadBench counts actors per second that are activated with their state,
// out of a store with many.
func stateLoadBench(callers, states int) bench {
	return bench{
		name:   "state-load",
		unit:   "actors/s",
		admits: isOurs,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			return inTemp(func(dir string) (s sample, err error) {
				m := c.(*malleeStore)
				if err := m.fill(ctx, dir, states); err != nil {
					return sample{}, err
				}
				end, err := m.open(ctx, dir)
				if err != nil {
					return sample{}, err
				}
				defer func() { err = errors.Join(err, end()) }()
				var last atomic.Int64
				steps := func(int) func() error {
					return func() error {
						i := int(last.Add(1))
						if i > states {
							return errEnough
						}
						return m.load(ctx, i*stride%states)
					}
				}
				return perSecond(ctx, callers, d, steps)
			})
		},
	}
}

// stride spreads keys that come one after the other over the store. It is a
// prime, so all come.
const stride = 7_368_787

// replayBench counts the events per second that one activation replays.
func replayBench(events int) bench {
	return bench{
		name:   "replay",
		unit:   "events/s",
		admits: isOurs,
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			return inTemp(func(dir string) (s sample, err error) {
				m := c.(*malleeStore)
				end, err := m.open(ctx, dir)
				if err != nil {
					return sample{}, err
				}
				defer func() { err = errors.Join(err, end()) }()
				if err := m.write(ctx, events); err != nil {
					return sample{}, err
				}
				s, err = longPerSecond(ctx, d, func() error { return m.replay(ctx, events) })
				s.Value *= float64(events)
				return s, err
			})
		},
	}
}

func isOurs(c contestant) bool {
	_, ok := c.(*malleeStore)
	return ok
}
