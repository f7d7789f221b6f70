package activation

import (
	"context"

	"github.com/mallee-io/mallee"
)

// ReminderService keeps the reminders of actors.
type ReminderService interface {
	Set(ctx context.Context, actor mallee.ID, r mallee.Reminder) error
	Cancel(ctx context.Context, actor mallee.ID, name string) error
	List(ctx context.Context, actor mallee.ID) ([]mallee.Reminder, error)
}

// reminders are those of one actor.
type reminders struct {
	at   *Activation
	fire func(context.Context, mallee.Reminder) error
}

// Reminders registers what due reminders run.
func (a *Activation) Reminders(fire func(context.Context, mallee.Reminder) error) mallee.Reminders {
	if a.actor != nil || a.reminders != nil {
		panic("mallee: NewReminders is called once, in the constructor of the actor " + a.ID().String())
	}
	a.reminders = &reminders{a, fire}
	return a.reminders
}

// Fire runs a due reminder, in a turn.
func (a *Activation) Fire(ctx context.Context, due mallee.Reminder) error {
	if a.reminders == nil {
		return mallee.ErrNotFound.Errorf("%s has reminder %s but does not call NewReminders", a.ID(), due.Name)
	}
	return a.reminders.fire(ctx, due)
}

func (r *reminders) Set(ctx context.Context, reminder mallee.Reminder) error {
	return r.at.table.runtime.config.Reminders.Set(ctx, r.at.ID(), reminder)
}

func (r *reminders) Cancel(ctx context.Context, name string) error {
	return r.at.table.runtime.config.Reminders.Cancel(ctx, r.at.ID(), name)
}

func (r *reminders) List(ctx context.Context) ([]mallee.Reminder, error) {
	return r.at.table.runtime.config.Reminders.List(ctx, r.at.ID())
}
