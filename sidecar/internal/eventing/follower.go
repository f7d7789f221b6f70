package eventing

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

// follower delivers the events of one entity to the consumers of its log. It
// lives with an activation, whose turns alone use it. Only deliver runs beside
// them, since commands do not wait for consumers: it changes nothing here, and
// brings what it has done in a turn of its own.
type follower struct {
	of     *Eventing
	entity mallee.Activation
	log    *log
	at     []position // in the order of log.consumers
	ctx    context.Context
	cancel context.CancelFunc
}

// position is where a consumer is.
type position struct {
	cursor
	version uint64 // of its row; 0: there is none yet
	// What the row says.
	savedDone    uint64
	savedLasting int
}

func (p *position) saved(version uint64) {
	p.version, p.savedDone, p.savedLasting = version, p.done, p.trial.lasting
}

var _ entity.Follower = (*follower)(nil)

// Follow is what entities call in the constructor of an activation: it makes
// what delivers their events; nil where nobody consumes them.
func (e *Eventing) Follow(a mallee.Activation, s *spec.Service) entity.Follower {
	l := e.logs[s]
	if l == nil {
		return nil
	}
	f := &follower{of: e, entity: a, log: l, at: make([]position, len(l.consumers))}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Load finds out which events are to be delivered still.
func (f *follower) Load(ctx context.Context) error {
	store, id, least := f.entity.Store(), f.entity.ID(), uint64(math.MaxUint64)
	for i, c := range f.log.consumers {
		stored, version, err := rows.ReadConsumed(ctx, store, f.log.table, id.Key, c.source.Group)
		if err != nil {
			return err
		}
		at := &f.at[i]
		at.done, at.trial.lasting = stored.Sequence, int(stored.Refusals)
		at.saved(version)
		least = min(least, at.done)
	}
	last, err := rows.LastEvent(ctx, store, f.log.table, id.Key, least)
	if err != nil {
		return err
	}
	f.Appended(least+1, last)
	return nil
}

// Appended begins to deliver events that are durable now.
func (f *follower) Appended(_, last uint64) {
	for i := range f.at {
		f.at[i].last = max(f.at[i].last, last)
		f.begin(i)
	}
}

// Pending reports whether events are to be delivered still.
func (f *follower) Pending() bool {
	for i := range f.at {
		if f.at[i].pending() {
			return true
		}
	}
	return false
}

// Release gives up what is being delivered; the next activation does it.
func (f *follower) Release() { f.cancel() }

// keepAlive is how long an entity is kept from becoming idle at a time, while
// its events are delivered.
const keepAlive = 5 * time.Second

// begin starts a run of deliveries, unless there is one or nothing to deliver.
func (f *follower) begin(i int) {
	first, last, ok := f.at[i].next()
	if !ok {
		return
	}
	f.entity.KeepAlive(keepAlive)
	stop := f.entity.Schedule(keepAlive/2, keepAlive/2, func(context.Context) { f.entity.KeepAlive(keepAlive) })
	running := f.of.run(func() {
		done, err := f.deliver(f.log.consumers[i], first, last)
		f.entity.Schedule(0, 0, func(ctx context.Context) {
			stop()
			f.end(ctx, i, done, err)
		})
	})
	if !running { // eventing has stopped
		stop()
	}
}

// slow is after how long what is done is written, however little it is.
const slow = time.Second

// deliver delivers events in their order until one fails, and tells the last
// one that is done.
func (f *follower) deliver(c *consumer, first, last uint64) (done uint64, err error) {
	select {
	case <-f.of.started:
	case <-f.of.intake.Done():
	case <-f.ctx.Done():
	}
	r := rows.Events(f.log.table, f.entity.ID().Key, first)
	r.Limit = int(last-first) + 1 //nolint:gosec // at most saveEvery
	done = first - 1
	begin := time.Now()
	for row, err := range f.entity.Store().List(f.ctx, r) {
		if err != nil || f.of.intake.Err() != nil || done >= first && time.Since(begin) > slow {
			return done, err
		}
		ev, err := f.event(row, done+1)
		if err == nil {
			err = f.of.deliver(f.ctx, c, ev)
		}
		if err != nil {
			return done, err
		}
		done++
	}
	if done < first {
		return done, unwanted{fmt.Errorf("%s is missing", f.name(first))}
	}
	return done, nil
}

// event makes of a row what methods get.
func (f *follower) event(row storage.Row, want uint64) (event, error) {
	sequence, err := rows.Sequence(row.Key.Key2)
	if err == nil && sequence != want {
		err = fmt.Errorf("%s is missing: the next one in the store is %d", f.name(want), sequence)
	}
	if err != nil {
		return event{}, unwanted{err}
	}
	stored, err := rows.DecodeAny(row)
	if err != nil {
		return event{}, unwanted{err}
	}
	return event{
		name:    f.name(sequence),
		payload: command.Payload{TypeURL: stored.TypeUrl, Value: stored.Value},
		metadata: command.Metadata{
			{Key: "ce-id", Text: strconv.FormatUint(sequence, 10)},
			{Key: "ce-source", Text: f.log.service.PersistenceID},
			{Key: "ce-specversion", Text: "1.0"},
			{Key: "ce-type", Text: stored.TypeUrl},
			{Key: "ce-subject", Text: f.entity.ID().Key},
			{Key: "Content-Type", Text: anyContent},
		},
	}, nil
}

// name is that of an event in logs.
func (f *follower) name(sequence uint64) string {
	return fmt.Sprintf("event %d of %s", sequence, f.entity.ID())
}

// end is the turn after a run: what is done is written, and the next run begins,
// later where this one has failed.
func (f *follower) end(ctx context.Context, i int, done uint64, failure error) {
	at, c := &f.at[i], f.log.consumers[i]
	at.advance(done)
	if f.of.intake.Err() != nil {
		failure = nil // it may be due to the stop
	}
	var aside []storage.Op
	failed, wait := at.done+1, time.Duration(0)
	switch {
	case failure == nil:
	case at.trial.failed(failure, f.of.config.Attempts):
		aside = f.unhandled(c, failed, failure)
		at.advance(failed)
	default:
		wait = f.of.again(c, f.name(failed), &at.trial, failure)
	}
	if err := f.save(ctx, i, aside); err != nil {
		f.entity.Log().Warn("how far a consumer of events has got could not be written: they come again", "consumer", c.String(), "error", err)
		return // the activation ends, and the next one begins with what is stored
	}
	if aside != nil {
		f.of.aside(c, f.name(failed), aside[0].Key.String(), failure)
	}
	if wait == 0 {
		f.again(i)
		return
	}
	f.entity.Schedule(wait, 0, func(context.Context) { f.again(i) })
}

func (f *follower) again(i int) {
	f.at[i].idle()
	f.begin(i)
}

// save writes where a consumer is, unless the store knows it, with other rows.
func (f *follower) save(ctx context.Context, i int, others []storage.Op) error {
	at := &f.at[i]
	if at.done == at.savedDone && at.trial.lasting == at.savedLasting {
		return nil
	}
	m := &sidecarpb.Consumed{Sequence: at.done, Refusals: uint32(at.trial.lasting)} //nolint:gosec // bounded by Attempts
	op, err := rows.Put(f.key(rows.GroupKey(f.log.consumers[i].source.Group)), m, at.version)
	if err != nil {
		return err
	}
	versions, err := f.entity.Write(ctx, append(slices.Clone(others), op)...)
	if err != nil {
		return err
	}
	at.saved(versions[len(others)])
	return nil
}

// unhandled makes the row of an event that is set aside.
func (f *follower) unhandled(c *consumer, sequence uint64, failure error) []storage.Op {
	m := &sidecarpb.Unhandled{Error: failure.Error(), AtUnixMs: time.Now().UnixMilli()}
	op, err := rows.Put(f.key(rows.UnhandledKey(c.source.Group, sequence)), m, 0)
	if err != nil { // the text is not UTF-8
		return f.unhandled(c, sequence, fmt.Errorf("%q", failure.Error()))
	}
	return []storage.Op{op}
}

func (f *follower) key(key2 string) storage.Key {
	return storage.Key{Table: f.log.table, Key1: f.entity.ID().Key, Key2: key2}
}
