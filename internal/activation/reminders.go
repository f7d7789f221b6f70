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

// Reminders registers what due reminders run.
func (a *Activation) Reminders(fire func(context.Context, mallee.Reminder) error) mallee.Reminders {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.extra()
	if a.actor != nil || e.fire != nil {
		panic("mallee: NewReminders is called once, in the constructor of the actor " + a.ID().String())
	}
	e.fire = fire
	return reminders{a}
}

// Fire runs a due reminder, in a turn.
func (a *Activation) Fire(ctx context.Context, due mallee.Reminder) error {
	a.mu.Lock()
	fire := a.extra().fire
	a.mu.Unlock()
	if fire == nil {
		return mallee.ErrNotFound.Errorf("%s has reminder %s but does not call NewReminders", a.ID(), due.Name)
	}
	return fire(ctx, due)
}

// reminders are those of one actor.
type reminders struct{ of *Activation }

func (r reminders) service() ReminderService { return r.of.table.runtime.config.Reminders }

func (r reminders) Set(ctx context.Context, reminder mallee.Reminder) error {
	return r.service().Set(ctx, r.of.ID(), reminder)
}

func (r reminders) Cancel(ctx context.Context, name string) error {
	return r.service().Cancel(ctx, r.of.ID(), name)
}

func (r reminders) List(ctx context.Context) ([]mallee.Reminder, error) {
	return r.service().List(ctx, r.of.ID())
}
