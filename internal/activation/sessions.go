package activation

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
)

// SessionService gives orders to the gateways of sessions. Sessions come in
// ascending order of where they are.
type SessionService interface {
	// Host is the ID of this node.
	Host() uint64
	Push(ctx context.Context, sender mallee.ID, m mallee.Message, at []uint64) error
	Kick(ctx context.Context, sender mallee.ID, at []uint64, reason mallee.DisconnectReason, why string) error
	Bind(ctx context.Context, sender mallee.ID, at uint64, to mallee.ID) error
	// Detached tells that the activation of an actor has ended.
	Detached(actor mallee.ID, epoch uint64, at []uint64)
	// Ordered is a point in all that this node has told gateways, and Flush
	// returns when what was told until a point has arrived.
	Ordered() uint64
	Flush(point uint64)
	// Learn says where a session is now. Whoever sends to the old place sends to
	// the new one from then on, so that no actor goes back to it.
	Learn(from, to uint64)
}

// Connect attaches a session and tells the actor. It answers the ID of the node.
func (a *Activation) Connect(ctx context.Context, s mallee.Session, how mallee.Arrival, alone bool) (host uint64, err error) {
	client, ok := a.actor.(mallee.Client)
	if !ok || a.table.typ.Workers > 0 {
		return 0, mallee.ErrNotFound.Errorf("actors of type %s take no sessions: they do not implement mallee.Client, or are stateless workers", a.table.typ.Name).BeforeRun()
	}
	if alone && s.User != "" {
		a.replace(ctx, s)
	}
	how.Again = a.attach(s) || how.Again
	connected := false
	defer func() { // also after a panic
		if !connected {
			a.detach(s)
		}
	}()
	if err := client.OnConnect(ctx, s, how); err != nil {
		return 0, err
	}
	connected = true
	return a.table.runtime.config.Sessions.Host(), nil
}

// replace ends the other sessions of a user.
func (a *Activation) replace(ctx context.Context, by mallee.Session) {
	a.mu.Lock()
	older := a.attached().where(func(s mallee.Session) bool { return s.User == by.User && s.ID != by.ID })
	a.mu.Unlock()
	defer a.ordered()
	for _, s := range older {
		err := a.table.runtime.config.Sessions.Kick(ctx, a.ID(), []uint64{s.At}, mallee.DisconnectReplaced, "")
		if err != nil { // its gateway hears that it is not attached, should it go on
			a.Log().Warn("a replaced session could not be closed", "session", s, "error", err)
		}
		a.disconnect(ctx, s, mallee.DisconnectReplaced)
	}
}

// Message gives a message to the actor, if its session is attached.
func (a *Activation) Message(ctx context.Context, session uint64, m mallee.Message) (known bool, err error) {
	a.mu.Lock()
	i := a.attached().at(session)
	if i < 0 {
		a.mu.Unlock()
		return false, nil
	}
	s := a.extras.attached.list[i]
	a.mu.Unlock()
	return true, a.actor.(mallee.Client).OnMessage(ctx, s, m)
}

// Disconnect detaches a session and tells the actor, unless the session is
// attached at another place now.
func (a *Activation) Disconnect(ctx context.Context, s mallee.Session, reason mallee.DisconnectReason) error {
	if !a.detach(s) {
		return nil
	}
	if reason != mallee.DisconnectRebound {
		a.Relocate(s.At, s.At, 0)
	}
	return a.actor.(mallee.Client).OnDisconnect(ctx, s, reason)
}

// disconnect is Disconnect where nobody waits for the error.
func (a *Activation) disconnect(ctx context.Context, s mallee.Session, reason mallee.DisconnectReason) {
	if err := a.Disconnect(ctx, s, reason); err != nil {
		a.Log().Error("OnDisconnect failed", "session", s, "reason", reason, "error", err)
	}
}

// OnMoved registers what is told, in turns, that sessions within a range are at
// another place now; 0: they have ended.
func (a *Activation) OnMoved(told func(first, last, to uint64)) {
	a.table.runtime.usesSessions.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	e.moved = append(e.moved, told)
}

// Relocate tells what is registered.
func (a *Activation) Relocate(first, last, to uint64) {
	if to != 0 { // it is one session
		a.table.runtime.config.Sessions.Learn(first, to)
	}
	a.mu.Lock()
	var all []func(first, last, to uint64)
	if a.extras != nil {
		all = a.extras.moved
	}
	a.mu.Unlock()
	for _, told := range all {
		told(first, last, to)
	}
}

// doubtful is how long a session stays attached whose gateway does not know it
// any more: by then the gateway has said why it has ended.
const doubtful = time.Minute

// Doubt ends attached sessions, by where they are, of which gateways know
// nothing. They would keep the activation alive for ever.
func (a *Activation) Doubt(at map[uint64]bool) {
	a.mu.Lock()
	known := a.attached().where(func(s mallee.Session) bool { return at[s.At] })
	a.mu.Unlock()
	for _, s := range known {
		a.Schedule(doubtful, 0, func(ctx context.Context) { a.disconnect(ctx, s, mallee.DisconnectLost) })
	}
}

// Vanish tells activations that a gateway is gone with its sessions, which are
// those within a range but for some that have moved before.
func (r *Runtime) Vanish(first, last uint64, moved map[uint64]uint64) {
	if !r.UsesSessions() {
		return
	}
	for _, table := range r.tables {
		table.each(func(a *Activation) {
			if a.knowsSessions() {
				a.Schedule(0, 0, func(ctx context.Context) { a.vanish(ctx, first, last, moved) })
			}
		})
	}
}

func (a *Activation) knowsSessions() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.extras != nil && (a.extras.attached != nil || a.extras.moved != nil)
}

func (a *Activation) vanish(ctx context.Context, first, last uint64, moved map[uint64]uint64) {
	for from, to := range moved {
		a.Relocate(from, from, to)
	}
	a.Relocate(first, last, 0)
	a.mu.Lock()
	gone := a.attached().where(func(s mallee.Session) bool { return first <= s.At && s.At <= last })
	a.mu.Unlock()
	for _, s := range gone {
		a.disconnect(ctx, s, mallee.DisconnectLost)
	}
}

// attached needs the lock.
func (a *Activation) attached() *attached {
	if a.extras == nil {
		return nil
	}
	return a.extras.attached
}

// attach reports whether the session was attached already.
func (a *Activation) attach(s mallee.Session) (again bool) {
	a.mu.Lock()
	e := a.extra()
	if e.attached == nil {
		e.attached = new(attached)
		if r := a.table.runtime; !r.usesSessions.Load() {
			r.usesSessions.Store(true)
		}
	}
	earlier, again := e.attached.put(s)
	a.mu.Unlock()
	if again && earlier.At != s.At {
		a.Relocate(earlier.At, earlier.At, s.At)
	}
	return again
}

// detach reports whether the session was attached, and where s says.
func (a *Activation) detach(s mallee.Session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.attached()
	i := known.at(s.ID)
	if i < 0 || known.list[i].At != s.At {
		return false
	}
	known.remove(i)
	if len(known.list) == 0 {
		a.extras.attached = nil
	}
	return true
}

// announceEnd lets gateways find the next activation for the sessions that this
// one had. One that was fenced says nothing: gateways hear of its node.
func (a *Activation) announceEnd() {
	a.mu.Lock()
	known := a.attached()
	if known == nil || !a.owns() {
		a.mu.Unlock()
		return
	}
	a.extras.attached = nil
	a.mu.Unlock()
	go a.table.runtime.config.Sessions.Detached(a.ID(), a.epoch, places(known.list))
}
