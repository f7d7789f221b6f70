package bank

import (
	"context"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
)

// Transfer moves money from one account to another. Its key is the caller's
// name for the transfer: to run it again is to ask how it went.
//
//mallee:actor
type Transfer interface {
	// Run returns when the transfer has ended. After an error it goes on by
	// itself; run it again, or ask for its status, to learn how it ended.
	Run(ctx context.Context, from, to string, amount Cents) (Status, error)
	//mallee:readonly
	Status(ctx context.Context) (Status, error)
}

// Status is how far a transfer is.
type Status string

// Statuses of a transfer.
const (
	StatusNone     Status = ""         // it was never run
	StatusBegun    Status = "begun"    // it will be tried
	StatusTaken    Status = "taken"    // the money has left one account
	StatusRejected Status = "rejected" // the other account does not take it; it will go back
	StatusDone     Status = "done"     // the money has arrived
	StatusRefused  Status = "refused"  // nothing was moved
	StatusReturned Status = "returned" // the money is back where it came from
)

// Ended reports whether the transfer will not change any more.
func (s Status) Ended() bool {
	return s == StatusDone || s == StatusRefused || s == StatusReturned
}

// Events of a transfer.
type (
	transferEvent interface{ apply(*saga) }

	begun struct {
		From, To string
		Amount   Cents
	}
	stepped struct {
		Status Status
		Reason string `json:",omitempty"`
	}
)

// saga is what the events of a transfer add up to.
type saga struct {
	begun
	Status Status
}

func (e begun) apply(s *saga)   { s.begun, s.Status = e, StatusBegun }
func (e stepped) apply(s *saga) { s.Status = e.Status }

var transferEvents = mallee.NewEvents(func(s *saga, e transferEvent) { e.apply(s) },
	mallee.EventOf[begun, transferEvent]("begun", 1),
	mallee.EventOf[stepped, transferEvent]("stepped", 1),
)

type transfer struct {
	self      *mallee.Self
	journal   *mallee.Journal[saga, transferEvent]
	reminders mallee.Reminders
}

func newTransfer(self *mallee.Self) Transfer {
	t := &transfer{self: self, journal: mallee.NewJournal(self, "saga", transferEvents)}
	t.reminders = mallee.NewReminders(self, t.goOn)
	return t
}

// retry is how often a transfer that was interrupted is taken up again.
const retry = 5 * time.Second

func (t *transfer) Run(ctx context.Context, from, to string, amount Cents) (Status, error) {
	order, s := begun{from, to, amount}, &t.journal.State
	switch {
	case s.Status != StatusNone && s.begun != order:
		return StatusNone, ErrReused
	case s.Status != StatusNone:
		return t.advance(ctx)
	case amount <= 0:
		return StatusNone, ErrAmount
	case from == to:
		return StatusNone, mallee.ErrInvalid.Errorf("a transfer from %s to itself", from)
	}
	// The reminder comes first: there is no moment at which money is on its
	// way and nobody would see it through.
	if err := t.reminders.Set(ctx, mallee.Reminder{Name: "go on", Every: retry}); err != nil {
		return StatusNone, err
	}
	if err := t.journal.Append(ctx, order); err != nil {
		return StatusNone, err
	}
	return t.advance(ctx)
}

func (t *transfer) Status(context.Context) (Status, error) { return t.journal.State.Status, nil }

// goOn runs until the transfer has ended.
func (t *transfer) goOn(ctx context.Context, due mallee.Reminder) error {
	if s := t.journal.State.Status; s != StatusNone && !s.Ended() {
		_, err := t.advance(ctx)
		return err
	}
	return t.reminders.Cancel(ctx, due.Name)
}

// advance takes the steps that are left. Each names its operation by the key of
// the transfer, so a step whose answer was lost can be repeated.
func (t *transfer) advance(ctx context.Context) (Status, error) {
	for !t.journal.State.Status.Ended() {
		next, err := t.step(ctx)
		if err != nil {
			return t.journal.State.Status, err
		}
		if err := t.journal.Append(ctx, next); err != nil {
			return t.journal.State.Status, err
		}
	}
	// An error is the reminder's own: it comes once more and is cancelled then.
	_ = t.reminders.Cancel(ctx, "go on")
	return t.journal.State.Status, nil
}

func (t *transfer) step(ctx context.Context) (next stepped, err error) {
	s, operation := &t.journal.State, "transfer "+t.self.Key()
	switch s.Status {
	case StatusBegun:
		_, err = AccountOf(t.self, s.From).Withdraw(ctx, operation, s.Amount)
		if errors.Is(err, ErrNoAccount) || errors.Is(err, ErrNoMoney) {
			return stepped{StatusRefused, err.Error()}, nil
		}
		return stepped{Status: StatusTaken}, err
	case StatusTaken:
		_, err = AccountOf(t.self, s.To).Deposit(ctx, operation, s.Amount)
		if errors.Is(err, ErrNoAccount) {
			return stepped{StatusRejected, err.Error()}, nil
		}
		return stepped{Status: StatusDone}, err
	case StatusRejected:
		_, err = AccountOf(t.self, s.From).Deposit(ctx, operation+" returned", s.Amount)
		return stepped{Status: StatusReturned}, err
	}
	return stepped{}, mallee.ErrInvalid.Errorf("%s has status %q", operation, s.Status)
}
