// Package keeper has the actors whose storage is measured.
package keeper

import (
	"context"

	"github.com/mallee-io/mallee"
)

//go:generate go tool mallee generate

// Ledger keeps a journal of small events.
//
//mallee:actor
type Ledger interface {
	// Add appends an event, n times in one batch, and returns the sum of all.
	Add(ctx context.Context, amount, n int) (sum int, err error)
	// Forget ends the activation, so that the next call replays the journal.
	Forget(ctx context.Context) error
}

// Profile has a small state.
//
//mallee:actor
type Profile interface {
	Name(ctx context.Context) (string, error)
}

// Types are the actor types, for node.Config.
func Types() []mallee.Type {
	return []mallee.Type{LedgerType(newLedger), ProfileType(newProfile)}
}

// Deposited is an event of a ledger.
type Deposited struct {
	Amount int
	By     string
}

var events = mallee.NewEvents(func(sum *int, e Deposited) { *sum += e.Amount },
	mallee.EventOf[Deposited, Deposited]("deposited", 1))

type ledger struct {
	self    *mallee.Self
	journal *mallee.Journal[int, Deposited]
}

func newLedger(self *mallee.Self) Ledger {
	return &ledger{self, mallee.NewJournal(self, "ledger", events)}
}

func (l *ledger) Add(ctx context.Context, amount, n int) (int, error) {
	batch := make([]Deposited, n)
	for i := range batch {
		batch[i] = Deposited{Amount: amount, By: "somebody"}
	}
	err := l.journal.Append(ctx, batch...)
	return l.journal.State, err
}

func (l *ledger) Forget(context.Context) error {
	l.self.DeactivateNow()
	return nil
}

// Data is the state of a profile.
type Data struct {
	Name  string
	Level int
	Guild string
}

type profile struct{ data *mallee.State[Data] }

func newProfile(self *mallee.Self) Profile {
	return &profile{mallee.NewState[Data](self, "data")}
}

func (p *profile) Name(context.Context) (string, error) { return p.data.Value.Name, nil }
