// Package tally has an actor that counts what reaches it, for tests.
package tally

import (
	"context"
	"encoding/json"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Tally counts for each of its callers.
//
//mallee:actor
type Tally interface {
	// Note is to be called with 1, 2, 3, …
	//
	//mallee:oneway
	Note(ctx context.Context, caller string, n int) error
	// Add counts one more and returns how many there are, and the last note.
	Add(ctx context.Context, caller string) (added, noted int, err error)
	// Moves says how often the actor has brought its notes to another node.
	Moves(ctx context.Context) (int, error)
}

// tally has its sums in the store, and its notes in memory alone.
type tally struct {
	sums *mallee.State[map[string]int]
	luggage
}

// luggage is what the actor takes along.
type luggage struct {
	Notes map[string]int
	Moves int
}

// New makes a Tally.
func New(self *mallee.Self) Tally {
	return &tally{sums: mallee.NewState[map[string]int](self, "sums"), luggage: luggage{Notes: make(map[string]int)}}
}

// Note counts only what comes in its order.
func (t *tally) Note(_ context.Context, caller string, n int) error {
	if n == t.Notes[caller]+1 {
		t.Notes[caller] = n
	}
	return nil
}

func (t *tally) Add(ctx context.Context, caller string) (added, noted int, err error) {
	if t.sums.Value == nil {
		t.sums.Value = make(map[string]int)
	}
	t.sums.Value[caller]++
	return t.sums.Value[caller], t.Notes[caller], t.sums.Save(ctx)
}

func (t *tally) Moves(context.Context) (int, error) { return t.luggage.Moves, nil }

func (t *tally) SaveForMove(context.Context) ([]byte, error) { return json.Marshal(t.luggage) }

func (t *tally) RestoreAfterMove(_ context.Context, state []byte) error {
	err := json.Unmarshal(state, &t.luggage)
	t.luggage.Moves++
	return err
}

var _ mallee.Migrator = (*tally)(nil)
