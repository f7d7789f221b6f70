package activation

import (
	"context"
	"slices"

	"github.com/mallee-io/mallee"
)

// Send gives a message to sessions, which need not be attached.
func (a *Activation) Send(ctx context.Context, m mallee.Message, to []mallee.Session) error {
	return a.Push(ctx, m, a.newest(to...))
}

// Push gives a message to sessions, which are in ascending order.
func (a *Activation) Push(ctx context.Context, m mallee.Message, at []uint64) error {
	if err := a.order(ctx); err != nil || len(at) == 0 {
		return err
	}
	defer a.ordered()
	return a.table.runtime.config.Sessions.Push(ctx, a.ID(), m, at)
}

// Kick closes a session.
func (a *Activation) Kick(ctx context.Context, s mallee.Session, why string) error {
	if err := a.order(ctx); err != nil {
		return err
	}
	defer a.ordered()
	return a.table.runtime.config.Sessions.Kick(ctx, a.ID(), a.newest(s), mallee.DisconnectKicked, why)
}

// Bind gives a session to another actor.
func (a *Activation) Bind(ctx context.Context, s mallee.Session, to mallee.ID) error {
	if err := to.Validate(); err != nil {
		return mallee.AsError(err).BeforeRun()
	}
	if err := a.order(ctx); err != nil {
		return err
	}
	defer a.ordered()
	return a.table.runtime.config.Sessions.Bind(ctx, a.ID(), a.newest(s)[0], to)
}

// newest is where sessions are, as far as it is known here, in ascending order.
func (a *Activation) newest(list ...mallee.Session) []uint64 {
	at := make([]uint64, len(list))
	a.mu.Lock()
	known := a.attached()
	for i := range list {
		at[i] = list[i].At
		if j := known.at(list[i].ID); j >= 0 {
			at[i] = known.list[j].At
		}
	}
	a.mu.Unlock()
	slices.Sort(at)
	return slices.Compact(at)
}

// order says whether the activation may give an order to gateways, and notes
// that its turn has acted.
func (a *Activation) order(ctx context.Context) error {
	a.table.callsDeeply()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.phase == stopped:
		return mallee.ErrUnavailable.Errorf("the activation of %s has ended", a.ID()).BeforeRun()
	case !a.owns():
		return mallee.ErrFenced.Errorf("the activation of %s has lost its grant", a.ID()).BeforeRun()
	}
	t := From(ctx)
	if t == nil || t.at != a {
		t = a.baton // as in note
	}
	if t != nil {
		t.acted = true
	}
	return nil
}

// ordered notes that gateways have been told something by now.
func (a *Activation) ordered() {
	point := a.table.runtime.config.Sessions.Ordered()
	if point == 0 { // there is no other node that could be slower than the next activation
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	e.told = max(e.told, point)
}

// flush returns when what the activation has told gateways is there, so that
// the actor cannot overtake itself from another node.
func (a *Activation) flush() {
	a.mu.Lock()
	point := a.told()
	owns := a.owns()
	a.mu.Unlock()
	if point > 0 && owns {
		a.table.runtime.config.Sessions.Flush(point)
	}
}

// told needs the lock.
func (a *Activation) told() uint64 {
	if a.extras == nil {
		return 0
	}
	return a.extras.told
}

func (a *Activation) hasTold() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told() > 0
}
