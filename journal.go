package mallee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/mallee-io/mallee/storage"
)

// Journal is an actor's history: the events that happened to it, of which its
// State is the sum. Append writes events, then applies them to State, then the
// turn goes on. An activation replays them before OnActivate; one that meets
// an event it does not know fails and says which. For use in the actor's turns.
//
// Events are kept for good, one row each; see Events.Snapshots for histories
// that are long to replay.
type Journal[S, E any] struct {
	// State is what the events have made of the zero S. Only the function
	// given to NewEvents may change it.
	State S

	self     *Self
	name     string
	at       storage.Key // of its rows, but for key2
	events   *Events[S, E]
	sequence uint64 // of the last event; 0: none yet
	snapshot struct{ sequence, version uint64 }
}

// NewJournal declares a journal of the actor, in its constructor. Name is
// unique in the actor type and part of the storage key: do not change it once
// there is data.
func NewJournal[S, E any](self *Self, name string, events *Events[S, E]) *Journal[S, E] {
	id := self.ID()
	j := &Journal[S, E]{self: self, name: name, events: events, at: storage.Key{Table: "journal." + id.Type + "." + name, Key1: id.Key}}
	self.activation.OnLoad(j.replay)
	return j
}

// Sequence is the number of events so far. The first one has number 1.
func (j *Journal[S, E]) Sequence() uint64 { return j.sequence }

// Append writes events, all or none, and applies them to State. When it
// returns nil they are as durable as the store makes them. After an error none
// is applied, and unless it is an ErrInvalid about an event of a kind that was
// not given to NewEvents, the activation ends.
func (j *Journal[S, E]) Append(ctx context.Context, events ...E) error {
	if len(events) == 0 {
		return nil
	}
	ops := make([]storage.Op, len(events), len(events)+1)
	for i, event := range events {
		value, err := j.events.encode(event)
		if err != nil {
			return ErrInvalid.Errorf("journal %s of %s: %v", j.name, j.self.ID(), err)
		}
		ops[i] = storage.Put(j.key(eventKey(j.sequence+uint64(i)+1)), value, 0)
	}
	// The snapshot that has become due goes with the next events, so it costs
	// no fsync of its own.
	due := j.events.snapshotDue(j.snapshot.sequence, j.sequence)
	if due {
		op, err := j.snapshotOp()
		if err != nil {
			return ErrInvalid.Errorf("journal %s of %s: %v", j.name, j.self.ID(), err)
		}
		ops = append(ops, op)
	}
	versions, err := j.self.write(ctx, "journal", j.name, ops...)
	if err != nil {
		return err
	}
	if due {
		j.snapshot.sequence, j.snapshot.version = j.sequence, versions[len(events)]
	}
	for _, event := range events {
		j.sequence++
		j.events.apply(&j.State, event)
	}
	return nil
}

// Events reads the history from an event's number on, as the program of today
// understands it. After an error it yields no more.
func (j *Journal[S, E]) Events(ctx context.Context, from uint64) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		next := max(from, 1)
		rows := storage.Range{Table: j.at.Table, Key1: j.at.Key1, From: eventKey(next), To: eventsEnd}
		for row, err := range j.self.activation.Store().List(ctx, rows) {
			event, err := j.decode(row, next, err)
			if !yield(event, err) || err != nil {
				return
			}
			next++
		}
	}
}

func (j *Journal[S, E]) decode(row storage.Row, sequence uint64, err error) (event E, _ error) {
	if err == nil && row.Key.Key2 != eventKey(sequence) {
		err = fmt.Errorf("event %d is missing: the next one in the store is %q", sequence, row.Key.Key2)
	}
	if err == nil {
		event, err = j.events.decode(row.Value)
		if err != nil {
			err = fmt.Errorf("event %d: %w", sequence, err)
		}
	}
	if err != nil {
		return event, ErrStorage.Errorf("read journal %s of %s: %v", j.name, j.self.ID(), err)
	}
	return event, nil
}

// replay makes State of the last snapshot and the events after it.
func (j *Journal[S, E]) replay(ctx context.Context) error {
	if err := j.loadSnapshot(ctx); err != nil {
		return fmt.Errorf("read snapshot of journal %s of %s: %w", j.name, j.self.ID(), err)
	}
	for event, err := range j.Events(ctx, j.sequence+1) {
		if err != nil {
			return err
		}
		j.sequence++
		j.events.apply(&j.State, event)
	}
	return nil
}

func (j *Journal[S, E]) key(key2 string) storage.Key {
	return storage.Key{Table: j.at.Table, Key1: j.at.Key1, Key2: key2}
}

// eventKey is the key2 of an event: text in the order of the numbers.
func eventKey(sequence uint64) string {
	const digits = 19
	b := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		b[i] = byte('0' + sequence%10)
		sequence /= 10
	}
	return string(b)
}

// snapshotKey comes before those of all events, so that each event is the last
// row: stores are good at appending. eventsEnd comes after all events.
const (
	snapshotKey = "!snapshot"
	eventsEnd   = ":"
)

// snapshot is the value of a snapshot's row.
type snapshot struct {
	Sequence uint64          `json:"sequence"` // of the last event in it
	Version  int             `json:"version"`  // of the state's type
	State    json.RawMessage `json:"state"`
}

func (j *Journal[S, E]) snapshotOp() (storage.Op, error) {
	state, err := json.Marshal(&j.State)
	if err != nil {
		return storage.Op{}, fmt.Errorf("encode snapshot: %w", err)
	}
	value, err := json.Marshal(snapshot{Sequence: j.sequence, Version: j.events.stateVersion, State: state})
	if err != nil {
		return storage.Op{}, fmt.Errorf("encode snapshot: %w", err)
	}
	return storage.Put(j.key(snapshotKey), value, j.snapshot.version), nil
}

// loadSnapshot begins with the last snapshot, unless there is none of the
// present type of state.
func (j *Journal[S, E]) loadSnapshot(ctx context.Context) error {
	if j.events.snapshotEvery == 0 {
		return nil
	}
	row, err := j.self.activation.Store().Get(ctx, j.key(snapshotKey))
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var s snapshot
	if err := json.Unmarshal(row.Value, &s); err != nil {
		return err
	}
	j.snapshot.version = row.Version
	if s.Version != j.events.stateVersion {
		return nil
	}
	if err := json.Unmarshal(s.State, &j.State); err != nil {
		return fmt.Errorf("decode into %T: %w", j.State, err)
	}
	j.sequence, j.snapshot.sequence = s.Sequence, s.Sequence
	return nil
}
