package activation

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
)

// Table holds the activations of one actor type on one node.
type Table struct {
	runtime *Runtime
	typ     mallee.Type
	flags   mallee.CallFlags // of every turn
	seed    maphash.Seed
	sweeper *time.Timer

	deep    atomic.Bool // the type's actors read, write, or send to sessions
	figures figures
	shards  [shardCount]shard
	ended   [endedCount]atomic.Uint32 // activations that have ended, by key
}

const endedCount = 1024

const shardCount = 64

// shard is a part of the keys: callers of different actors seldom meet at one lock.
type shard struct {
	mu      sync.RWMutex
	live    map[string]*Activation
	workers map[string]*workers // of a stateless worker type, instead of live
	_       [24]byte            // to a cache line of its own
}

func newTable(r *Runtime, typ mallee.Type) *Table {
	t := &Table{runtime: r, typ: typ, seed: maphash.MakeSeed()}
	if typ.Interleave {
		t.flags = mallee.ReadOnly
	}
	for i := range t.shards {
		if typ.Workers > 0 {
			t.shards[i].workers = make(map[string]*workers)
		} else {
			t.shards[i].live = make(map[string]*Activation)
		}
	}
	return t
}

// callsDeeply notes that actors of the type read, write, or send to sessions.
func (tb *Table) callsDeeply() {
	if !tb.deep.Load() { // seldom written, so that it stays in every processor's cache
		tb.deep.Store(true)
	}
}

// Type is the actor type whose activations the table holds.
func (tb *Table) Type() *mallee.Type { return &tb.typ }

// Request is a call for an actor of a table.
type Request struct {
	ID     mallee.ID
	Call   mallee.Call
	Epoch  uint64 // of a grant under which the actor may be activated; 0: it may not
	Ended  uint32 // what Table.Ended said before the grant was asked for
	Parent *Turn  // the turn that waits for the call; nil at the head of a chain

	Trace context.Context // the caller's values for Config.Trace; nil: none

	// End is when the caller stops waiting; zero: the deadline of ctx, or the
	// default. Invoke sets it when it returns ErrGone, so that a call which is
	// tried again does not get its time again.
	End time.Time
}

// Invoke runs a call from this node and waits for it. It returns ErrGone when
// there is no activation and the request has no grant for a new one.
func (tb *Table) Invoke(ctx context.Context, q *Request) error {
	a, created := tb.obtain(q.ID.Key, q.Epoch, q.Ended)
	if a == nil {
		return ErrGone // and nothing was copied in vain: the call may be for another node
	}
	t, err := tb.turn(q)
	if err == nil {
		err = q.copyArgs()
	}
	if err != nil {
		a.launch(created)
		return err
	}
	if t.flags&mallee.OneWay != 0 {
		return a.admit(t, created)
	}
	if !q.End.IsZero() {
		t.deadline = tb.runtime.clock.at(q.End)
	} else if d, ok := ctx.Deadline(); ok {
		t.deadline = tb.runtime.clock.at(d)
	}
	t.waiter = tb.runtime.newWaiter()
	if err := a.admit(t, created); err != nil {
		tb.runtime.waiters.Put(t.waiter)
		return err
	}
	err = a.await(ctx, t)
	if err == error(ErrGone) {
		q.End = tb.runtime.clock.time(t.deadline)
	}
	return err
}

// Deliver runs a call that came from another node, whose caller waits until
// q.End. Reply gets its answer, unless Deliver returns an error; a one-way call
// has no reply.
func (tb *Table) Deliver(q *Request, reply Reply) (*Turn, error) {
	a, created := tb.obtain(q.ID.Key, q.Epoch, q.Ended)
	if a == nil {
		return nil, ErrGone
	}
	t, err := tb.turn(q)
	if err != nil {
		a.launch(created)
		return nil, err
	}
	if reply != nil {
		t.abroad = &abroad{reply: reply}
		t.deadline = tb.runtime.clock.at(q.End)
	}
	return t, a.admit(t, created)
}

// Cancel tells a delivered turn that its caller has given up.
func (t *Turn) Cancel() { t.at.abandon(t, context.Canceled) }

func (tb *Table) turn(q *Request) (*Turn, error) {
	t := &Turn{call: q.Call, flags: q.Call.Flags() | tb.flags}
	if q.Trace != nil {
		t.traced = &traced{q.Trace}
	}
	if q.Parent != nil && t.flags&mallee.OneWay == 0 {
		t.parent, t.depth = q.Parent, q.Parent.depth+1
		if t.depth > maxDepth {
			return nil, depthError(t)
		}
	}
	return t, nil
}

func (q *Request) copyArgs() error {
	if err := q.Call.CopyArgs(); err != nil {
		return mallee.ErrInvalid.Errorf("copy arguments of %s.%s: %v", q.ID, q.Call.Method(), err).BeforeRun()
	}
	return nil
}

// admit enqueues the turn and starts an activation that is new.
func (a *Activation) admit(t *Turn, created bool) error {
	err := a.enqueue(t)
	a.launch(created)
	return err
}

// launch starts an activation that obtain has made.
func (a *Activation) launch(created bool) {
	if created {
		go a.run()
	}
}

// Ended changes when an activation of the key ends, and seldom otherwise. A
// grant that was asked for before that may be the one which has been given back
// then, and must not be used.
func (tb *Table) Ended(key string) uint32 { return tb.endedOf(key).Load() }

func (tb *Table) endedOf(key string) *atomic.Uint32 {
	return &tb.ended[maphash.String(tb.seed, key)%endedCount]
}

// obtain finds the activation of the key or, under a grant, makes one, which
// the caller must run.
func (tb *Table) obtain(key string, epoch uint64, ended uint32) (a *Activation, created bool) {
	s := tb.shard(key)
	if tb.typ.Workers > 0 {
		return s.worker(tb, key)
	}
	s.mu.RLock()
	a = s.live[key]
	s.mu.RUnlock()
	if a != nil || epoch == 0 {
		return a, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a = s.live[key]; a != nil {
		return a, false
	}
	if tb.Ended(key) != ended {
		return nil, false
	}
	a = newActivation(tb, key, epoch)
	s.live[key] = a
	tb.runtime.added(a)
	return a, true
}

// Activate makes an activation, under a grant, where there is none, and reports
// whether it did.
func (tb *Table) Activate(key string, epoch uint64, ended uint32) bool {
	a, created := tb.obtain(key, epoch, ended)
	if a != nil {
		a.launch(created)
	}
	return created
}

func (tb *Table) remove(a *Activation) {
	s := tb.shard(a.key)
	s.mu.Lock()
	if a.peers != nil {
		s.dropWorker(a)
	} else {
		delete(s.live, a.key)
		tb.endedOf(a.key).Add(1)
	}
	s.mu.Unlock()
	tb.runtime.removed(tb.typ.Last)
}

func (tb *Table) shard(key string) *shard {
	return &tb.shards[maphash.String(tb.seed, key)%shardCount]
}

// each calls fn for every activation, which may end any of them.
func (tb *Table) each(fn func(*Activation)) {
	var batch []*Activation
	for i := range tb.shards {
		s := &tb.shards[i]
		batch = batch[:0]
		s.mu.RLock()
		for _, a := range s.live {
			batch = append(batch, a)
		}
		for _, w := range s.workers {
			batch = append(batch, w.list...)
		}
		s.mu.RUnlock()
		for _, a := range batch {
			fn(a)
		}
	}
}
