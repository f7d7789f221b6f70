package activation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/storage"
)

// Activation is one living actor on this node. Its memory is what an idle
// actor costs, so every field has to be worth its bytes.
type Activation struct {
	self  mallee.Self
	table *Table
	peers *workers // the other activations of its key, for a stateless worker
	key   string
	epoch uint64
	actor any
	run   func() // a.loop, kept so that starting a goroutine allocates nothing

	mu      sync.Mutex // guards the rest
	phase   phase
	reason  mallee.Reason // why it is to stop; 0: it is not
	watched bool          // the watch visits it
	called  bool          // a call came since the watch's last visit
	fenced  bool          // its grant has ended with a lease; the node may have another one
	baton   *Turn         // the turn that may touch the actor
	claims  *Turn         // turns that are back from a call and want the baton
	mailbox turns
	nested  turns  // waiting turns of chains that are active here
	active  turns  // begun and not ended; more than one only by nesting and read-only interleaving
	writers int32  // active turns that are not read-only
	done    uint32 // calls that have succeeded since the watch's last visit
	turnSeq uint64 // number of the latest turn; begins at random, so that a stale call chain matches none
	idle    int64  // runtime's clock when it was last seen busy
	keep    int64  // runtime's clock until which KeepAlive holds it
	timers  *timer
	extras  *extras // nil for actors that have none
}

// extras are what not every actor has.
type extras struct {
	loads []func(context.Context) error // until it has started
	mover Mover                         // when another node takes the actor over
	fire  func(context.Context, mallee.Reminder) error
	log   *slog.Logger // made when it is first asked for

	attached *attached                      // nil: no session
	moved    []func(first, last, to uint64) // are told where sessions are now
	told     uint64                         // point in the node's orders behind those of this actor
}

// extra needs the lock.
func (a *Activation) extra() *extras {
	if a.extras == nil {
		a.extras = &extras{}
	}
	return a.extras
}

// phase of an activation's life:
//
//	starting → running → stopping → stopped
//	    └──────────────────────────→ stopped (it could not start)
type phase uint8

const (
	starting phase = iota
	running
	stopping
	stopped
)

func newActivation(table *Table, key string, epoch uint64) *Activation {
	a := &Activation{table: table, key: key, epoch: epoch, turnSeq: rand.Uint64(), watched: true}
	a.self = mallee.NewSelf(a)
	a.run = a.loop
	a.mu.Lock() // the watch may visit it at once
	defer a.mu.Unlock()
	table.runtime.watch.add(a)
	a.baton = a.newTurn(kindStart)
	a.begin(a.baton)
	return a
}

func (a *Activation) newTurn(k kind) *Turn { return &Turn{kind: k, at: a, flags: a.table.flags} }

// ID is the actor's address.
func (a *Activation) ID() mallee.ID { return mallee.ID{Type: a.table.typ.Name, Key: a.key} }

// Epoch is that of the grant under which it was activated.
func (a *Activation) Epoch() uint64 { return a.epoch }

// Store is what the actor reads from; Write is how it writes.
func (a *Activation) Store() storage.Store { return a.table.runtime.config.Store }

// Log carries type and key.
func (a *Activation) Log() *slog.Logger {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	if e.log == nil {
		e.log = a.table.runtime.config.Log.With("actor_type", a.table.typ.Name, "key", a.key)
	}
	return e.log
}

// Invoke calls another actor.
func (a *Activation) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	return a.table.runtime.config.Caller.Invoke(ctx, id, call)
}

// Replica is the node's copy of a replicated value; nil: it keeps none.
func (a *Activation) Replica(id mallee.ID) crdt.Replica {
	if a.table.runtime.config.Replicas == nil {
		return nil
	}
	return a.table.runtime.config.Replicas(id)
}

// OnLoad registers a state to read before OnActivate.
func (a *Activation) OnLoad(load func(context.Context) error) {
	if a.actor != nil {
		panic("mallee: states and replicated values are declared in the constructor of the actor " + a.ID().String())
	}
	a.table.callsDeeply()
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	e.loads = append(e.loads, load)
}

// KeepAlive holds off the idle timeout for d.
func (a *Activation) KeepAlive(d time.Duration) {
	until := a.table.runtime.clock.read() + int64(d)
	a.mu.Lock()
	a.keep = max(a.keep, until)
	a.mu.Unlock()
}

// Deactivate ends the activation once no turn is active. Calls that wait then
// are routed anew, except that a stopping node serves them first.
func (a *Activation) Deactivate(reason mallee.Reason) {
	if a.deactivate(reason) {
		go a.run()
	}
}

// deactivate reports whether the caller must run the activation to stop it.
func (a *Activation) deactivate(reason mallee.Reason) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.phase >= stopping || a.reason != 0 && reason < mallee.ReasonFailed {
		return false
	}
	a.reason = max(a.reason, reason)
	return a.baton == nil && a.pass()
}

var _ mallee.Activation = (*Activation)(nil)
