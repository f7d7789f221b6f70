package activation

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Mover takes an actor to another node.
type Mover interface {
	// Carry takes what the actor has saved, if it is a mallee.Migrator.
	Carry(ctx context.Context, state []byte)
	// Release gives the grant to the other node: the activation has fully
	// stopped. It is called in any case.
	Release()
}

// Migrate ends the activation that a key has under a grant, so that another
// node can take the actor over. What runs is finished; what waits is routed
// anew. It reports false, and does not use m, when there is no such activation
// or it is ending already.
func (tb *Table) Migrate(key string, epoch uint64, m Mover) bool {
	a, _ := tb.obtain(key, 0, 0)
	return a != nil && a.epoch == epoch && epoch != 0 && a.migrate(m)
}

func (a *Activation) migrate(m Mover) bool {
	a.mu.Lock()
	if a.phase >= stopping || a.reason != 0 {
		a.mu.Unlock()
		return false
	}
	a.reason = mallee.ReasonMigrating
	a.extra().mover = m
	run := a.baton == nil && a.pass()
	a.mu.Unlock()
	if run {
		go a.run()
	}
	return true
}

// Each tells of all activations under a grant. fn may block.
func (r *Runtime) Each(fn func(id mallee.ID, epoch uint64)) {
	for _, table := range r.tables {
		table.each(func(a *Activation) {
			if a.epoch != 0 {
				fn(a.ID(), a.epoch)
			}
		})
	}
}

// save lets an actor that moves take along what it has in memory.
func (a *Activation) save(ctx context.Context) {
	actor, ok := a.actor.(mallee.Migrator)
	if !ok || a.reason != mallee.ReasonMigrating {
		return
	}
	state, err := actor.SaveForMove(ctx)
	if err == nil && len(state) > mallee.MaxMovedState {
		err = mallee.ErrInvalid.Errorf("%d bytes are more than an actor can take along, which is %d", len(state), mallee.MaxMovedState)
	}
	if err != nil {
		a.Log().Error("the actor moves without what it has in memory", "error", err)
		return
	}
	a.mover().Carry(ctx, state)
}

// restore is the other end of save.
func (a *Activation) restore(ctx context.Context) error {
	actor, ok := a.actor.(mallee.Migrator)
	if !ok {
		return nil
	}
	state, ok := a.table.runtime.config.Carried(a.ID(), a.epoch)
	if !ok {
		return nil
	}
	return actor.RestoreAfterMove(ctx, state)
}

// forget drops an actor that is to be made anew.
func (a *Activation) forget() {
	a.stopTimers()
	a.actor = nil
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	e.fire, e.moved = nil, nil
}

func (a *Activation) mover() Mover {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.extras == nil {
		return nil
	}
	return a.extras.mover
}

// release gives the grant back.
func (a *Activation) release() {
	switch m := a.mover(); {
	case a.epoch == 0:
	case m != nil:
		m.Release()
	default:
		a.table.runtime.config.Release(a.ID(), a.epoch)
	}
}
