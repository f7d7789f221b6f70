package activation

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
)

// maxDepth bounds a call chain: a recursion without an end would otherwise
// pile up turns until its deadline.
const maxDepth = 256

// Turn is one run of actor code: a call, a tick of a timer, or the start or
// stop of the activation. It is also the context.Context that the code gets,
// so it carries the deadline, the cancellation and the call chain.
//
// Every call makes one, so its size counts: what few turns need stands in
// abroad and loan.
type Turn struct {
	call   mallee.Call // of a call
	tick   *timer      // of a tick
	parent *Turn       // the turn that waits for this one; nil at the head of a call chain
	waiter *waiter     // a caller on this node; nil when nobody waits here
	abroad *abroad     // of a turn, or for a caller, on another node
	traced *traced     // nil without tracing
	done   atomic.Pointer[doneChannel]

	// Guarded by the activation's mu. What is set before the turn begins may be
	// read without it by the turn's own code.
	at         *Activation // where it waits or runs; nil for a turn on another node
	next, prev *Turn       // in the mailbox, among the nested, or among the active
	loan       *loan       // while it waits in calls of its own
	number     uint64      // names the turn in call chains; set when it begins
	began      int64       // runtime's clock
	deadline   int64       // runtime's clock; 0: the default, from when it is accepted or, if nobody waits, begins

	kind    kind
	flags   mallee.CallFlags
	place   place
	settled bool   // the caller has its answer
	acted   bool   // it has written, may have, or has called another actor
	refused bool   // a write of it was refused
	depth   uint16 // turns above it in the call chain
}

// abroad is what a turn has to do with another node: it runs there and stands
// in a call chain here (id), or its caller is there (reply).
type abroad struct {
	id      mallee.ID
	reply   Reply
	results []byte
}

// loan is the baton, given away while the turn waits in calls of its own.
type loan struct {
	calls    int    // that the turn waits in
	waitsFor callee // the latest of them
	resume   *waiter
	next     *Turn // the next that wants the baton back
}

type kind uint8

const (
	kindCall kind = iota
	kindTick
	kindStart
	kindStop
)

// place says where a turn is:
//
//	outside → mailbox | nested → active → ended
//	           └────────┴→ ended (abandoned before it began)
type place uint8

const (
	placeOutside place = iota
	placeMailbox
	placeNested
	placeActive
	placeEnded
)

// Reply takes the encoded results of a call that came from another node, or
// its error. It is called once, must not block and owns the results.
type Reply func(results []byte, err *mallee.Error)

// callee is what a turn waits for, for people who read a timeout.
type callee struct {
	id     mallee.ID
	method string
}

type turnKey struct{}

// From is the turn that ctx belongs to: the one that runs the code which makes
// a call with ctx. Nil outside of actors.
func From(ctx context.Context) *Turn {
	if t, ok := ctx.(*Turn); ok {
		return t
	}
	t, _ := ctx.Value(turnKey{}).(*Turn)
	return t
}

// Activation is where the turn runs; nil for one on another node.
func (t *Turn) Activation() *Activation { return t.at }

func (t *Turn) id() mallee.ID {
	if t.at != nil {
		return t.at.ID()
	}
	return t.abroad.id
}

// remote reports whether the caller is on another node.
func (t *Turn) remote() bool { return t.abroad != nil && t.abroad.reply != nil }

// Hop names a turn of a call chain to another node.
type Hop struct {
	ID   mallee.ID
	Turn uint64
}

// Chain lists this turn and then those that wait for it.
func (t *Turn) Chain() []Hop {
	var hops []Hop
	for ; t != nil; t = t.parent {
		hops = append(hops, Hop{ID: t.id(), Turn: t.number})
	}
	return hops
}

// ParentOf rebuilds the turn whose Chain was listed, for a call that comes
// from another node.
func ParentOf(hops []Hop) *Turn {
	var parent *Turn
	for i := len(hops) - 1; i >= 0; i-- {
		parent = &Turn{abroad: &abroad{id: hops[i].ID}, number: hops[i].Turn, parent: parent, depth: uint16(len(hops) - 1 - i)}
	}
	return parent
}

// doneChannel is a context's Done channel, made when somebody asks for it.
type doneChannel struct{ c chan struct{} }

// Ends of a turn's context.
var (
	canceled = &doneChannel{c: closedChannel()}
	expired  = &doneChannel{c: closedChannel()}
)

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// end closes the context, once; how is canceled or expired.
func (t *Turn) end(how *doneChannel) {
	for {
		old := t.done.Load()
		if old == canceled || old == expired {
			return
		}
		if t.done.CompareAndSwap(old, how) {
			if old != nil {
				close(old.c)
			}
			return
		}
	}
}

// Deadline is when the caller stops waiting.
func (t *Turn) Deadline() (time.Time, bool) {
	return t.at.table.runtime.clock.time(t.deadline), true
}

// Done is closed when the caller has stopped waiting or the turn has ended.
func (t *Turn) Done() <-chan struct{} {
	fresh := (*doneChannel)(nil)
	for {
		if d := t.done.Load(); d != nil {
			return d.c
		}
		if fresh == nil {
			fresh = &doneChannel{c: make(chan struct{})}
		}
		t.done.CompareAndSwap(nil, fresh)
	}
}

func (t *Turn) Err() error {
	switch t.done.Load() {
	case canceled:
		return context.Canceled
	case expired:
		return context.DeadlineExceeded
	}
	return nil
}

// Value knows only the turn itself and its trace: values of a caller's context
// do not travel to other nodes, so they do not to other actors of this one.
func (t *Turn) Value(key any) any {
	if key == (turnKey{}) {
		return t
	}
	if t.traced != nil {
		return t.traced.values.Value(key)
	}
	return nil
}

var _ context.Context = (*Turn)(nil)
