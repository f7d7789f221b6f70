package entity

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
)

// The reminder of an entity activates it after a crash, so that what it has
// recorded is carried out though nobody calls it. There is one in the store
// whenever something is pending.
const (
	reminderName  = "mallee.entity"
	reminderAfter = time.Minute
)

// remind makes sure that there is a reminder. The turn does not let others in
// meanwhile, hence the context of its own: its answer is not recorded yet.
func (e *entity) remind() error {
	if e.reminded {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.kind.RelayTimeout)
	defer cancel()
	err := e.reminders.Set(ctx, mallee.Reminder{Name: reminderName, First: time.Now().Add(reminderAfter)})
	e.reminded = err == nil
	return err
}

// remember is run by the reminder, which comes once.
func (e *entity) remember(context.Context, mallee.Reminder) error {
	e.reminded = false
	if e.courier != nil && e.courier.pending > 0 || e.follower != nil && e.follower.Pending() {
		return e.remind()
	}
	return nil
}
