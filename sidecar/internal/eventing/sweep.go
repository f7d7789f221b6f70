package eventing

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/internal/reminders"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// A sweep finds the entities with events that a group has not had, and reminds
// them: a new group gets the old events by it, and what anything else has made
// forgotten comes at last. All nodes try, one of them sweeps.

// Paces of sweeps.
const (
	sweepBatch = 100                    // entities; then the others are told that the sweeper lives
	sweepPause = 100 * time.Millisecond // after each batch: a sweep is in no hurry
	sweepLost  = time.Minute            // a sweeper that has not been heard of for so long is dead
)

// claim decides whether a node sweeps now: it goes on from next, unless that is
// nil; then it looks again after wait. It is pure. Clocks of nodes that differ
// make a sweep more or less, or one at once with another; neither does harm.
func claim(last *sidecarpb.Sweep, groups []string, every time.Duration, now time.Time) (next *sidecarpb.Sweep, wait time.Duration) {
	missing := func(g string) bool { return !slices.Contains(last.GetGroups(), g) }
	idle, age := now.Sub(time.UnixMilli(last.GetMovedUnixMs())), now.Sub(time.UnixMilli(last.GetBegunUnixMs()))
	switch {
	case last == nil || slices.ContainsFunc(groups, missing) || last.Done && age >= every:
		return &sidecarpb.Sweep{Groups: groups, BegunUnixMs: now.UnixMilli(), MovedUnixMs: now.UnixMilli()}, 0
	case last.Done:
		return nil, min(every, every-age)
	case idle >= sweepLost:
		return &sidecarpb.Sweep{Groups: last.Groups, BegunUnixMs: last.BegunUnixMs, MovedUnixMs: now.UnixMilli(), After: last.After}, 0
	default:
		return nil, min(sweepLost, sweepLost-idle)
	}
}

// sweeper sweeps the entities of one log.
type sweeper struct {
	of      *Eventing
	log     *log
	version uint64 // of the row that tells of the sweep
}

func (e *Eventing) sweep(l *log) {
	s := &sweeper{of: e, log: l}
	for e.intake.Err() == nil {
		wait, err := s.turn(e.intake)
		if err != nil && e.intake.Err() == nil {
			e.config.Log.Warn("the search for forgotten events has failed and is tried again", "service", l.service.Name, "in", wait, "error", err)
		}
		sleep(e.intake, wait)
	}
}

// turn sweeps, where it is this node's turn, and tells when to look again.
func (s *sweeper) turn(ctx context.Context) (wait time.Duration, err error) {
	last, err := s.read(ctx)
	if err != nil {
		return sweepLost, err
	}
	next, wait := claim(last, s.log.groups(), s.of.config.SweepEvery, time.Now())
	if next == nil {
		return wait, nil
	}
	for err = s.write(ctx, next); err == nil && !next.Done; err = s.write(ctx, next) {
		if next.After, next.Done, err = s.batch(ctx, next.After); err != nil {
			return sweepLost, err
		}
		next.MovedUnixMs = time.Now().UnixMilli()
		sleep(ctx, sweepPause)
	}
	if errors.Is(err, storage.ErrConflict) {
		return sweepLost, nil // another node sweeps
	}
	return s.of.config.SweepEvery, err
}

// batch looks at some entities after one, and tells the last of them.
func (s *sweeper) batch(ctx context.Context, after string) (last string, done bool, err error) {
	for range sweepBatch {
		next, there, err := s.next(ctx, after)
		if err != nil || !there {
			return after, err == nil, err
		}
		if err := s.look(ctx, next); err != nil {
			return after, false, err
		}
		after = next
	}
	return after, false, nil
}

// next finds the entity after one, without reading its rows.
func (s *sweeper) next(ctx context.Context, after string) (entity string, there bool, err error) {
	from := storage.Key{Table: s.log.table}
	if after != "" {
		from.Key1 = after + "\x00" // the least key after it
	}
	for row, err := range s.of.config.Store.Scan(ctx, from) {
		return row.Key.Key1, err == nil && row.Key.Table == s.log.table, err
	}
	return "", false, nil
}

// look reminds an entity of events that a group has not had.
func (s *sweeper) look(ctx context.Context, entity string) error {
	for _, c := range s.log.consumers {
		consumed, _, err := rows.ReadConsumed(ctx, s.of.config.Store, s.log.table, entity, c.source.Group)
		if err != nil {
			return err
		}
		last, err := rows.LastEvent(ctx, s.of.config.Store, s.log.table, entity, consumed.Sequence)
		if err != nil {
			return err
		}
		if last > consumed.Sequence {
			id := mallee.ID{Type: s.log.service.Name, Key: entity}
			return reminders.Service{Caller: s.of.actors}.Set(ctx, id, mallee.Reminder{Name: "events", First: time.Now()})
		}
	}
	return nil
}

// sweepEpoch is that of all who write the rows of sweeps: their versions alone
// keep one from another.
const sweepEpoch = 1

func (s *sweeper) key() storage.Key {
	return storage.Key{Table: "sidecar.sweeps", Key1: s.log.service.PersistenceID}
}

func (s *sweeper) read(ctx context.Context) (*sidecarpb.Sweep, error) {
	row, err := s.of.config.Store.Get(ctx, s.key())
	s.version = row.Version
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return rows.DecodeSweep(row)
}

func (s *sweeper) write(ctx context.Context, m *sidecarpb.Sweep) error {
	op, err := rows.Put(s.key(), m, s.version)
	if err != nil {
		return err
	}
	versions, err := s.of.config.Store.Apply(ctx, sweepEpoch, op)
	if err == nil {
		s.version = versions[0]
	}
	return err
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
