package activation

import (
	"context"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

// Write applies a batch under the epoch of the activation. When that fails,
// what the actor has in memory is not what is stored, so the activation ends.
func (a *Activation) Write(ctx context.Context, ops ...storage.Op) ([]uint64, error) {
	versions, err := a.apply(ctx, ops)
	a.table.callsDeeply()
	a.note(ctx, err)
	if err != nil {
		a.Deactivate(mallee.ReasonFailed)
	}
	return versions, err
}

func (a *Activation) apply(ctx context.Context, ops []storage.Op) ([]uint64, error) {
	a.mu.Lock()
	owns := a.owns()
	a.mu.Unlock()
	if !owns {
		return nil, fmt.Errorf("write of %s: the lease of its node has ended: %w", a.ID(), storage.ErrFenced)
	}
	return a.Store().Apply(ctx, a.epoch, ops...)
}

// note remembers how a write went, for the error that the turn may return.
func (a *Activation) note(ctx context.Context, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := From(ctx)
	if t == nil || t.at != a {
		t = a.baton // some other context was used; the turn that runs is the one that writes
	}
	switch {
	case t == nil: // it is not known who writes
	case storage.WasRefused(err):
		t.refused = true
	default:
		t.acted = true
	}
}

// Act marks the turn before it calls another actor without waiting.
func (t *Turn) Act() {
	t.at.mu.Lock()
	t.acted = true
	t.at.mu.Unlock()
}

// undone reports whether the turn has certainly left nothing behind: all that
// it tried to do was a write, and that was refused. What it has changed in
// memory ends with the activation.
func (t *Turn) undone() bool {
	t.at.mu.Lock()
	defer t.at.mu.Unlock()
	return t.refused && !t.acted
}
