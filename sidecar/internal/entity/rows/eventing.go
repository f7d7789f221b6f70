package rows

import (
	"context"
	"errors"
	"math"
	"sort"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/storage"
)

// Unhandled begins the key2 of events that a group has set aside.
const Unhandled = "x/"

// GroupKey is the key2 of what a consumer group has consumed.
func GroupKey(group string) string { return Group + group }

// UnhandledKey is the key2 of an event that a group has set aside.
func UnhandledKey(group string, sequence uint64) string {
	return Unhandled + EventKey(sequence)[len(Event):] + "/" + group
}

// Put writes a message to a row that has the given version now, 0 for a new row.
func Put(key storage.Key, m proto.Message, version uint64) (storage.Op, error) {
	value, err := Encode(m)
	return storage.PutBytes(key, value, version), err
}

// ReadConsumed reads how far a group has got in the log of an entity, and the
// version of the row, 0 when there is none.
func ReadConsumed(ctx context.Context, s storage.Store, table, entity, group string) (*sidecarpb.Consumed, uint64, error) {
	m := &sidecarpb.Consumed{}
	row, err := s.Get(ctx, storage.Key{Table: table, Key1: entity, Key2: GroupKey(group)})
	if errors.Is(err, storage.ErrNotFound) {
		return m, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return m, row.Version, decode(row, m)
}

// DecodeSweep reads how far a search for forgotten events has got.
func DecodeSweep(row storage.Row) (*sidecarpb.Sweep, error) {
	m := &sidecarpb.Sweep{}
	return m, decode(row, m)
}

// LastEvent finds the number of an entity's last event; there is none before
// from. It reads a few rows, however many events there are: they are numbered
// without gaps.
func LastEvent(ctx context.Context, s storage.Store, table, entity string, from uint64) (last uint64, err error) {
	there := func(sequence uint64) bool {
		if err != nil {
			return false
		}
		r := Events(table, entity, sequence)
		r.Limit = 1
		for _, problem := range s.List(ctx, r) {
			err = problem
			return err == nil
		}
		return false
	}
	step := 1 // a distance at which there is none; at half of it there is one
	for step < math.MaxInt32 && there(from+uint64(step)) {
		step *= 2
	}
	known := step / 2
	more := sort.Search(step-known-1, func(n int) bool { return !there(from + uint64(known+1+n)) })
	return from + uint64(known+more), err
}
