package activation

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock is the node's time: nanoseconds since it started. now lags behind by
// up to a tick of the watch while calls are under way, and stands still while
// none are: reading it costs a call nothing.
type clock struct {
	start time.Time
	now   atomic.Int64
}

func (c *clock) read() int64             { return int64(time.Since(c.start)) }
func (c *clock) time(at int64) time.Time { return c.start.Add(time.Duration(at)) }
func (c *clock) at(t time.Time) int64    { return int64(t.Sub(c.start)) }
func (c *clock) lasted(since int64) time.Duration {
	return time.Duration(max(c.read()-since, 0))
}

// watch visits every activation that has been busy, each tick, and ends the
// waits of callers whose deadline has passed. One timer for the node instead
// of one for each call; it sleeps while nothing is busy.
type watch struct {
	clock *clock
	tick  time.Duration

	visiting sync.Mutex // held while a part of busy is not in it

	mu    sync.Mutex
	busy  []*Activation
	awake bool
}

// add is called with the activation's mu held.
func (w *watch) add(a *Activation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = append(w.busy, a)
	if !w.awake {
		w.awake = true
		w.clock.now.Store(w.clock.read())
		time.AfterFunc(w.tick, w.visit)
	}
}

func (w *watch) visit() {
	now := w.clock.read()
	w.clock.now.Store(now)
	w.visiting.Lock()
	defer w.visiting.Unlock()
	w.mu.Lock()
	visited := w.busy
	w.busy = nil
	w.mu.Unlock()

	still := visited[:0]
	for _, a := range visited {
		if a.visit(now) {
			still = append(still, a)
		}
	}

	clear(visited[len(still):]) // keeps no activation that has ended

	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = append(still, w.busy...)
	if w.awake = len(w.busy) > 0; w.awake {
		time.AfterFunc(w.tick, w.visit)
	}
}

// visit ends overdue turns and reports whether to come again.
func (a *Activation) visit(now int64) (busy bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range []*turns{&a.mailbox, &a.nested, &a.active} {
		for t := list.head; t != nil; {
			next := t.next
			if t.deadline != 0 && t.deadline <= now {
				a.giveUp(t, timedOut)
			}
			t = next
		}
	}
	a.counted()
	if a.called {
		a.called, a.idle = false, now
	}
	a.watched = a.phase != stopped && (a.active.n > 0 || a.mailbox.n > 0 || a.nested.n > 0)
	return a.watched
}
