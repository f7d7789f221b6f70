package mallee

import (
	"context"
	"time"
)

// Reminders are the durable alarms of an actor: they outlive its activations
// and restarts, and activate it when they are due. Each has a name that is
// unique in the actor. For use in the actor's turns.
type Reminders interface {
	// Set makes a reminder, or replaces the one with its name, which begins to
	// count anew. When it returns nil the reminder is as durable as the store
	// makes it.
	Set(ctx context.Context, r Reminder) error
	// Cancel removes the reminder with the name; one that is not there counts
	// as removed. Should it be firing now, that is not undone.
	Cancel(ctx context.Context, name string) error
	// List tells the reminders that are set, in the order of their names.
	List(ctx context.Context) ([]Reminder, error)
}

// NewReminders declares, in the constructor of the actor, what its reminders
// run. Fire is a turn like a call. When it returns nil the occurrence is done
// and will not come again; after an error, or when the node dies meanwhile, it
// is tried again, after 1 s at first and 5 min at most. So one may come twice.
func NewReminders(self *Self, fire func(ctx context.Context, due Reminder) error) Reminders {
	return self.activation.Reminders(fire)
}

// Reminder is one alarm: First and then, when Every is positive, at each
// multiple of Every after it, without drift.
type Reminder struct {
	Name    string        // at most MaxReminderName bytes
	First   time.Time     // zero: Every from now
	Every   time.Duration // at least a second; 0: once
	CatchUp CatchUp

	// The runtime sets these.
	Due    time.Time // the occurrence that fires, or of a listed one the next
	Missed int       // occurrences before it that did not fire; see CatchUp
}

// MaxReminderName is the longest name of a reminder, in bytes.
const MaxReminderName = 256

// CatchUp says what becomes of occurrences that could not fire in time, because
// nothing ran or the actor failed.
type CatchUp string

// What becomes of late occurrences.
const (
	CatchUpOnce CatchUp = ""     // the last one fires and tells how many were missed
	CatchUpEach CatchUp = "each" // all fire, one after the other
	CatchUpSkip CatchUp = "skip" // those that are more than a minute late do not fire
)

// Validate reports, as an ErrInvalid, why there can be no such reminder.
func (r *Reminder) Validate() error {
	switch {
	case r.Name == "" || len(r.Name) > MaxReminderName:
		return ErrInvalid.Errorf("reminder has a name of %d bytes; use 1 to %d", len(r.Name), MaxReminderName)
	case r.Every < 0 || r.Every > 0 && r.Every < time.Second:
		return ErrInvalid.Errorf("reminder %s: an interval of %v; use a second or more, or 0 for once", r.Name, r.Every)
	case r.First.IsZero() && r.Every == 0:
		return ErrInvalid.Errorf("reminder %s has neither a first time nor an interval", r.Name)
	case !r.First.IsZero() && (r.First.Year() < 1970 || r.First.Year() > 2200):
		return ErrInvalid.Errorf("reminder %s: the year %d; use 1970 to 2200", r.Name, r.First.Year())
	case r.CatchUp != CatchUpOnce && r.CatchUp != CatchUpEach && r.CatchUp != CatchUpSkip:
		return ErrInvalid.Errorf("reminder %s: catch-up %q; there are %q, %q and %q", r.Name, string(r.CatchUp), string(CatchUpOnce), string(CatchUpEach), string(CatchUpSkip))
	}
	return nil
}
