package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errEnough ends the caller whose step returns it.
var errEnough = errors.New("enough")

// drive lets n callers, each in a goroutine, repeat their steps for d. A step
// that fails is counted and does not end its caller. The error is for when
// there is nothing to count: ctx ended, or no step succeeded.
func drive(ctx context.Context, n int, d time.Duration, steps func(caller int) func() error) (tally, error) {
	todo := make([]func() error, n)
	for i := range todo {
		todo[i] = steps(i)
	}
	timed, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	start := time.Now()
	// Cheaper to look at before every step than a context or a clock. It also
	// says when the counting ended: a last call that hangs adds no time.
	var over atomic.Int64
	context.AfterFunc(timed, func() { over.Store(int64(time.Since(start))) })

	tallies := make([]tally, n)
	var callers sync.WaitGroup
	for i := range todo {
		callers.Go(func() { tallies[i] = repeat(todo[i], &over) })
	}
	callers.Wait()

	sum := tally{elapsed: time.Duration(over.Load())}
	if sum.elapsed == 0 {
		sum.elapsed = time.Since(start)
	}
	for _, t := range tallies {
		sum.done += t.done
		sum.fail(t.failed, t.first)
	}
	switch {
	case ctx.Err() != nil:
		return sum, ctx.Err()
	case sum.done == 0 && sum.first != nil:
		return sum, sum.first
	case sum.done == 0:
		return sum, errors.New("no call was answered in time")
	}
	return sum, nil
}

func repeat(step func() error, over *atomic.Int64) (t tally) {
	for over.Load() == 0 {
		switch err := step(); {
		case err == nil:
			t.done++
		case errors.Is(err, errEnough):
			return t
		default:
			t.fail(1, err)
		}
	}
	return t
}

// A tally is what became of steps.
type tally struct {
	done    int
	failed  int
	first   error // of the failed ones
	elapsed time.Duration
}

func (t *tally) fail(n int, err error) {
	t.failed += n
	if t.first == nil {
		t.first = err
	}
}

func (t tally) perSecond() float64 { return float64(t.done) / t.elapsed.Seconds() }
