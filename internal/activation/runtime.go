package activation

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/storage"
)

// Config is what a Runtime needs of its node. All fields are required but where
// they say so.
type Config struct {
	Node        string        // name of the node, for errors
	CallTimeout time.Duration // of calls whose ctx has no deadline
	Caller      mallee.Caller // routes the calls that actors make
	Store       storage.Store
	Reminders   ReminderService
	Sessions    SessionService
	Log         *slog.Logger
	// Replicas gives the node's copies of replicated values. Nil: it keeps none.
	Replicas func(id mallee.ID) crdt.Replica
	// Release gives back the grant of an activation that has fully stopped.
	Release func(id mallee.ID, epoch uint64)
	// Owns reports whether the node may still act for its actors. It is asked
	// before each turn, OnDeactivate and write, and must not block.
	Owns func() bool
	// Carried takes what the actor has brought from another node, if there is
	// anything that is older than the epoch.
	Carried func(id mallee.ID, epoch uint64) (state []byte, ok bool)
	// Redeliver takes one-way calls that have outlived their activation, in
	// their order. It must not block. What cannot be delivered is to be Lost.
	Redeliver func(id mallee.ID, calls []mallee.Call)
	// Trace, unless nil, is told of the turns of calls.
	Trace Trace
}

// Runtime is what the activations of one node share.
type Runtime struct {
	config  Config
	clock   clock
	watch   watch
	waiters sync.Pool // of *waiter
	tables  []*Table

	live        atomic.Int64
	last        atomic.Int64 // of these, those of types that end last
	activations atomic.Int64
	lostOneWays atomic.Int64
	failedStops atomic.Int64
	drained     chan struct{} // a hint that live has become less, once closed
	closed      atomic.Bool

	usesSessions atomic.Bool // an actor has, or has had, sessions or a group
}

// ticksPerTimeout is how often overdue calls are looked for within one call
// timeout, so a default deadline is at most a fiftieth of it late.
const ticksPerTimeout = 50

// Tick is how often a node looks for overdue calls.
func Tick(callTimeout time.Duration) time.Duration {
	return max(callTimeout/ticksPerTimeout, time.Millisecond)
}

// New makes a Runtime for actor types that have been validated.
func New(config Config, types []mallee.Type) *Runtime {
	r := &Runtime{
		config:  config,
		clock:   clock{start: time.Now()},
		drained: make(chan struct{}, 1),
	}
	r.waiters.New = func() any { return &waiter{ready: make(chan struct{}, 1)} }
	r.watch = watch{clock: &r.clock, tick: Tick(config.CallTimeout)}
	for _, typ := range types {
		table := newTable(r, typ)
		r.tables = append(r.tables, table)
		table.sweeper = time.AfterFunc(math.MaxInt64, table.sweep)
		table.sweeper.Reset(table.sweepInterval()) // only now: the sweep uses it
	}
	return r
}

// Table finds the table of an actor type; nil for one that this node does not have.
// A node has few types, and their names are mostly the same string as the
// reference's: comparing them is faster than hashing one.
func (r *Runtime) Table(actorType string) *Table {
	for _, t := range r.tables {
		if t.typ.Name == actorType {
			return t
		}
	}
	return nil
}

// defaultDeadline ends a call that brought none. The clock lags by up to a
// tick, so one is added: a call never has less than its time.
func (r *Runtime) defaultDeadline() int64 {
	return r.clock.now.Load() + int64(r.config.CallTimeout+r.watch.tick)
}

// Stats are counts since the runtime started, but for Active.
type Stats struct {
	Active      int64 // activations now
	Activations int64 // activations made
	LostOneWays int64 // one-way calls that no activation could take after theirs had ended
	FailedStops int64 // errors of OnDeactivate
}

// UsesSessions reports whether actors of this node know sessions.
func (r *Runtime) UsesSessions() bool { return r.usesSessions.Load() }

// Stats may be called at any time.
func (r *Runtime) Stats() Stats {
	return Stats{
		Active:      r.live.Load(),
		Activations: r.activations.Load(),
		LostOneWays: r.lostOneWays.Load(),
		FailedStops: r.failedStops.Load(),
	}
}

func (r *Runtime) added(a *Activation) {
	r.live.Add(1)
	if a.table.typ.Last {
		r.last.Add(1)
	}
	r.activations.Add(1)
	a.table.figures.activations.Add(1)
	if r.closed.Load() {
		a.reason = mallee.ReasonStopping // serves what waits, then ends
	}
}

func (r *Runtime) removed(last bool) {
	if last {
		r.last.Add(-1)
	}
	if r.live.Add(-1); r.closed.Load() {
		select {
		case r.drained <- struct{}{}:
		default:
		}
	}
}

// Stop ends all activations: each serves what waits in its mailbox and is
// deactivated. It returns when none is left, or ctx's error.
func (r *Runtime) Stop(ctx context.Context) error {
	r.closed.Store(true)
	r.retire(false)
	if err := r.wait(ctx, func() bool { return r.live.Load() <= r.last.Load() }); err != nil {
		return err
	}
	r.retire(true)
	return r.wait(ctx, func() bool { return r.live.Load() == 0 })
}

// retire ends the activations of types that end last, or of the others.
func (r *Runtime) retire(last bool) {
	for _, table := range r.tables {
		table.sweeper.Stop()
		if table.typ.Last == last {
			table.each(func(a *Activation) { a.retire(mallee.ReasonStopping) })
		}
	}
}

// wait returns when enough activations have ended.
func (r *Runtime) wait(ctx context.Context, enough func() bool) error {
	for !enough() {
		select {
		case <-r.drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Fence ends all activations at once, because the node may no longer own
// their actors: callers get an error, contexts end, and no reply leaves.
func (r *Runtime) Fence() {
	for _, table := range r.tables {
		for i := range table.ended { // no grant that was given until now is used
			table.ended[i].Add(1)
		}
		table.each((*Activation).fence)
	}
}

func (a *Activation) fence() {
	a.mu.Lock()
	a.fenced = a.epoch != 0
	for _, list := range []*turns{&a.mailbox, &a.nested, &a.active} {
		for t := list.head; t != nil; {
			next := t.next
			a.giveUp(t, fenced)
			t = next
		}
	}
	a.mu.Unlock()
	a.retire(mallee.ReasonFenced)
}
