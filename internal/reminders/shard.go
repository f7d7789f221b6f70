package reminders

import (
	"context"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/storage"
)

const (
	// maxFlying bounds the reminders of a shard that fire at the same time.
	maxFlying = 64
	// fireTimeout is how long a reminder's turn may take.
	fireTimeout = time.Minute
	// shardIdle is how long a shard without calls stays; the waker comes in time.
	shardIdle = 6 * round
)

// shard keeps a part of the reminders and fires those that are due.
type shard struct {
	self   *mallee.Self
	flying map[string]bool // places of those that fire now
	timer  *mallee.Timer   // wakes it for the next one
}

func newShard(self *mallee.Self) *shard {
	return &shard{self: self, flying: make(map[string]bool)}
}

// hostOf is the activation whose turn ctx is.
func hostOf(ctx context.Context) *activation.Activation { return activation.From(ctx).Activation() }

func (s *shard) rows(ctx context.Context) rows { return rows{hostOf(ctx).Store(), s.self.Key()} }

// Set makes or replaces a reminder.
func (s *shard) Set(ctx context.Context, actor mallee.ID, r mallee.Reminder) error {
	fresh := newEntry(actor, r, time.Now())
	return s.replace(ctx, actor, r.Name, &fresh)
}

// Cancel removes a reminder.
func (s *shard) Cancel(ctx context.Context, actor mallee.ID, name string) error {
	return s.replace(ctx, actor, name, nil)
}

func (s *shard) replace(ctx context.Context, actor mallee.ID, name string, fresh *entry) error {
	at := place(actor) + name
	old, err := s.rows(ctx).get(ctx, at)
	if err != nil {
		return mallee.ErrStorage.Errorf("%v", err)
	}
	if err := s.write(ctx, at, old, fresh); err != nil {
		return err
	}
	return s.Wake(ctx)
}

// write puts an entry, or nothing, in the place of what is kept.
func (s *shard) write(ctx context.Context, at string, old kept, fresh *entry) error {
	ops, err := s.rows(ctx).replace(ctx, at, old, fresh)
	if err != nil {
		return mallee.ErrStorage.Errorf("%v", err)
	}
	if len(ops) == 0 {
		return nil
	}
	if _, err := hostOf(ctx).Write(ctx, ops...); err != nil {
		return mallee.ErrStorage.Errorf("write reminder: %v", err)
	}
	return nil
}

// List tells the reminders of an actor.
func (s *shard) List(ctx context.Context, actor mallee.ID) (all []mallee.Reminder, err error) {
	r := s.rows(ctx)
	for row, err := range r.store.List(ctx, storage.Range{Table: table, Key1: r.shard, Prefix: ofPrefix + place(actor)}) {
		if err != nil {
			return nil, mallee.ErrStorage.Errorf("list reminders: %v", err)
		}
		k, err := decode(row)
		if err != nil {
			return nil, mallee.ErrStorage.Errorf("%v", err)
		}
		all = append(all, k.reminder())
	}
	return all, nil
}

// Wake fires what is due, as far as there is room, and sets the timer for the
// next one. Whatever ends a flight wakes the shard again.
func (s *shard) Wake(ctx context.Context) error {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	r, now := s.rows(ctx), time.Now()
	var damaged []error       // of single reminders, which must not keep others from firing
	enough := 2*maxFlying + 1 // those that fly, those that will, and the next one
	for row, err := range r.store.List(ctx, storage.Range{Table: table, Key1: r.shard, Prefix: duePrefix, Limit: enough}) {
		if err != nil {
			return mallee.ErrStorage.Errorf("list reminders: %v", err)
		}
		at, place, err := parseDue(row.Key.Key2)
		if wait := at.Sub(now); err == nil && wait > 0 {
			s.timer = s.self.After(wait, s.tick)
			break
		}
		if err == nil && !s.flying[place] {
			err = s.launch(ctx, place, now)
		}
		if err != nil {
			damaged = append(damaged, err)
		}
		if len(s.flying)+len(damaged) >= maxFlying {
			break
		}
	}
	if len(damaged) > 0 {
		return mallee.ErrStorage.Errorf("%d reminders cannot fire: %v", len(damaged), damaged[0])
	}
	return nil
}

// tick is Wake from the timer. Nobody waits for its error; the waker comes by
// again, and again until it succeeds.
func (s *shard) tick(ctx context.Context) {
	if err := s.Wake(ctx); err != nil {
		s.self.Log().Warn("reminders are late", "shard", s.self.Key(), "error", err)
	}
}

// launch fires a reminder whose time has come, or leaves it out.
func (s *shard) launch(ctx context.Context, place string, now time.Time) error {
	k, err := s.rows(ctx).get(ctx, place)
	if err != nil {
		return err
	}
	if k.version == 0 {
		return fmt.Errorf("reminder %s has a time and nothing else", place)
	}
	next := k.entry
	if !next.catchUp(now) {
		return s.settle(ctx, place, k, next, next.done(false))
	}
	s.flying[place] = true
	s.self.KeepAlive(fireTimeout + round) // to hear how it ends
	go func() {
		call, cancel := context.WithTimeout(context.Background(), fireTimeout)
		defer cancel()
		err := s.self.Invoke(call, next.Actor, newFire(next.reminder()))
		s.self.After(0, func(ctx context.Context) { s.land(ctx, place, k, next, err) })
	}()
	return nil
}

// land writes how a reminder's turn has ended, unless it was set anew or
// cancelled meanwhile.
func (s *shard) land(ctx context.Context, place string, fired kept, next entry, err error) {
	delete(s.flying, place)
	now, readErr := s.rows(ctx).get(ctx, place)
	if readErr == nil && now.version == fired.version {
		more := true
		if err == nil {
			more = next.done(true)
		} else {
			s.self.Log().Warn("reminder failed", "actor", next.Actor.String(), "reminder", next.Name, "tries", next.Failures+1, "error", err)
			next.failed(time.Now())
		}
		readErr = s.settle(ctx, place, fired, next, more)
	}
	if readErr != nil {
		s.self.Log().Warn("reminder will fire again: its end could not be written", "actor", next.Actor.String(), "reminder", next.Name, "error", readErr)
	}
	s.tick(ctx)
}

func (s *shard) settle(ctx context.Context, place string, old kept, next entry, more bool) error {
	if !more {
		return s.write(ctx, place, old, nil)
	}
	return s.write(ctx, place, old, &next)
}
