package bank

import (
	"context"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
)

// Account holds somebody's money. Deposit and Withdraw name the operation: one
// that is repeated is done once.
//
//mallee:actor
type Account interface {
	// Open opens the account; an open one stays as it is.
	Open(ctx context.Context, owner string) error
	Deposit(ctx context.Context, operation string, amount Cents) (balance Cents, err error)
	Withdraw(ctx context.Context, operation string, amount Cents) (balance Cents, err error)
	//mallee:readonly
	Balance(ctx context.Context) (Cents, error)
	// Statement lists up to limit lines from a number on. The first line has
	// number 1.
	//mallee:readonly
	Statement(ctx context.Context, from int64, limit int) ([]Line, error)
}

// Line is a line of an account's statement.
type Line struct {
	Number    int64 // of the event in the account's journal
	Operation string
	Amount    Cents // negative: taken
	Balance   Cents // after it
}

// number is the line's key among the records of the account.
func (l *Line) number() int64 { return l.Number }

// Events of an account.
type (
	accountEvent interface{ apply(*ledger) }

	opened struct{ Owner string }
	booked struct {
		Operation string
		Amount    Cents
	}
)

// ledger is what the events of an account add up to.
type ledger struct {
	Open    bool
	Owner   string
	Balance Cents
	Done    map[string]bool // operations; a real bank would forget those of last year
}

func (e opened) apply(l *ledger) { l.Open, l.Owner = true, e.Owner }

func (e booked) apply(l *ledger) {
	if l.Done == nil {
		l.Done = make(map[string]bool)
	}
	l.Done[e.Operation] = true
	l.Balance += e.Amount
}

var accountEvents = mallee.NewEvents(func(l *ledger, e accountEvent) { e.apply(l) },
	mallee.EventOf[opened, accountEvent]("opened", 1),
	mallee.EventOf[booked, accountEvent]("booked", 1),
).Snapshots(100, 1)

type account struct {
	journal   *mallee.Journal[ledger, accountEvent]
	lines     *mallee.Table[Line, int64]
	reminders mallee.Reminders
}

func newAccount(self *mallee.Self) Account {
	a := &account{
		journal: mallee.NewJournal(self, "ledger", accountEvents),
		lines:   mallee.NewTable(self, "statement", (*Line).number),
	}
	a.reminders = mallee.NewReminders(self, a.payInterest)
	return a
}

// OnActivate writes the last line of the statement if a crash has kept it from
// being written: the journal is the truth, the statement follows.
func (a *account) OnActivate(ctx context.Context) error {
	last := a.journal.Sequence()
	if last == 0 {
		return nil
	}
	_, err := a.lines.Get(ctx, int64(last))
	if !errors.Is(err, mallee.ErrNotFound) {
		return err
	}
	for event, err := range a.journal.Events(ctx, last) {
		if err != nil {
			return err
		}
		return a.post(ctx, event)
	}
	return nil
}

// month is when interest is paid again, interestPart the part of the balance
// that it is.
const (
	month        = 30 * 24 * time.Hour
	interestPart = 500
)

func (a *account) Open(ctx context.Context, owner string) error {
	if a.journal.State.Open {
		return nil
	}
	if err := a.reminders.Set(ctx, mallee.Reminder{Name: "interest", Every: month, CatchUp: mallee.CatchUpEach}); err != nil {
		return err
	}
	return a.book(ctx, opened{Owner: owner})
}

// payInterest runs once a month. Its operation is the month's, so a reminder
// that comes twice pays once.
func (a *account) payInterest(ctx context.Context, due mallee.Reminder) error {
	interest := a.journal.State.Balance / interestPart
	if !a.journal.State.Open || interest == 0 {
		return nil
	}
	_, err := a.move(ctx, "interest of "+due.Due.Format(time.DateOnly), interest)
	return err
}

func (a *account) Deposit(ctx context.Context, operation string, amount Cents) (Cents, error) {
	if amount <= 0 {
		return 0, ErrAmount
	}
	return a.move(ctx, operation, amount)
}

func (a *account) Withdraw(ctx context.Context, operation string, amount Cents) (Cents, error) {
	if amount <= 0 {
		return 0, ErrAmount
	}
	return a.move(ctx, operation, -amount)
}

// move books an operation, unless it was booked before.
func (a *account) move(ctx context.Context, operation string, amount Cents) (Cents, error) {
	switch l := &a.journal.State; {
	case !l.Open:
		return 0, ErrNoAccount
	case l.Done[operation]:
		return l.Balance, nil
	case l.Balance+amount < 0:
		return 0, ErrNoMoney
	}
	err := a.book(ctx, booked{operation, amount})
	return a.journal.State.Balance, err
}

func (a *account) book(ctx context.Context, event accountEvent) error {
	if err := a.journal.Append(ctx, event); err != nil {
		return err
	}
	return a.post(ctx, event)
}

// post writes the statement's line of the last event.
func (a *account) post(ctx context.Context, event accountEvent) error {
	line := Line{Number: int64(a.journal.Sequence()), Balance: a.journal.State.Balance}
	switch e := event.(type) {
	case opened:
		line.Operation = "opened by " + e.Owner
	case booked:
		line.Operation, line.Amount = e.Operation, e.Amount
	}
	return a.lines.Put(ctx, line)
}

func (a *account) Balance(context.Context) (Cents, error) {
	if !a.journal.State.Open {
		return 0, ErrNoAccount
	}
	return a.journal.State.Balance, nil
}

func (a *account) Statement(ctx context.Context, from int64, limit int) (lines []Line, err error) {
	for line, err := range a.lines.Range(ctx, from, from+int64(limit)) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}
