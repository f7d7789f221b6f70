package clustertest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/node"
)

// turns sees whether an actor is ever alive twice.
type turns struct {
	t       testing.TB
	mu      sync.Mutex
	running map[mallee.ID]bool
	epochs  map[mallee.ID]uint64
}

func newTurns(t testing.TB) *turns {
	return &turns{t: t, running: make(map[mallee.ID]bool), epochs: make(map[mallee.ID]uint64)}
}

// Run implements crowd.Turns.
func (o *turns) Run(id mallee.ID, epoch uint64, _ int64, turn func() error) error {
	if !o.begin(id, epoch) {
		return mallee.ErrInvalid.Errorf("%s is alive twice", id)
	}
	defer o.end(id)
	return turn()
}

func (o *turns) begin(id mallee.ID, epoch uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.running[id] || epoch < o.epochs[id] {
		o.t.Errorf("%s has a turn in epoch %d; another one runs: %t, there was epoch %d", id, epoch, o.running[id], o.epochs[id])
		return false
	}
	o.running[id], o.epochs[id] = true, epoch
	return true
}

func (o *turns) end(id mallee.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, id)
}

// callers call all the time, each an actor of its own, which counts the calls.
type callers struct {
	t     testing.TB
	stop  context.CancelFunc
	ended sync.WaitGroup
	done  []atomic.Int64 // calls of each
	more  chan struct{}  // a hint that there was a call
}

// call starts 16 callers through a node. No call may fail, get lost or run twice.
func call(t testing.TB, n *node.Node) *callers {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := &callers{t: t, stop: stop, done: make([]atomic.Int64, 16), more: make(chan struct{}, 1)}
	for i := range c.done {
		c.ended.Go(func() {
			counter := crowd.CounterOf(n, fmt.Sprint("caller", i))
			for want := int64(1); ctx.Err() == nil; want++ {
				sum, err := counter.Add(t.Context(), want, 1)
				if t.Context().Err() != nil {
					return // the test has failed
				}
				if err != nil || sum != want {
					t.Errorf("caller %d: sum %d after %d calls: %v", i, sum, want, err)
					stop()
					return
				}
				c.done[i].Store(want)
				select {
				case c.more <- struct{}{}:
				default:
				}
			}
		})
	}
	t.Cleanup(c.end)
	c.goOn()
	return c
}

// goOn waits until each caller has made ten more calls.
func (c *callers) goOn() {
	c.t.Helper()
	ctx := within(c.t)
	for i := range c.done {
		for want := c.done[i].Load() + 10; c.done[i].Load() < want; {
			select {
			case <-c.more:
			case <-ctx.Done():
				c.t.Fatalf("caller %d has stopped after %d calls", i, c.done[i].Load())
			}
			if c.t.Failed() {
				c.t.FailNow()
			}
		}
	}
}

func (c *callers) end() {
	c.stop()
	c.ended.Wait()
}
