package main

import (
	"context"
	"fmt"
	"sync"
)

// countersOf is callers with a counter each, which look whether it counts.
func countersOf(counter func(caller int) (read, add func() (int64, error))) func(caller int) func() error {
	return func(caller int) func() error {
		read, add := counter(caller)
		return func() error {
			before, err := read()
			if err != nil {
				return err
			}
			after, err := add()
			if err == nil && after != before+1 {
				err = fmt.Errorf("%d and one more are %d", before, after)
			}
			return err
		}
	}
}

// mutexCounter is the floor of a counter that others may change: a number with a
// lock.
type mutexCounter struct{ started }

var _ incrementing = mutexCounter{}

func (mutexCounter) counters(context.Context) (func(caller int) func() error, func() error, error) {
	counters := countersOf(func(int) (func() (int64, error), func() (int64, error)) {
		var c lockedCounter
		return c.read, c.add
	})
	return counters, func() error { return nil }, nil
}

type lockedCounter struct {
	mu sync.Mutex
	n  int64
	_  [64]byte // counters of others are elsewhere
}

func (c *lockedCounter) read() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, nil
}

func (c *lockedCounter) add() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n, nil
}
