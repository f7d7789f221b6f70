// Package rows is how entities are stored: one partition per entity, in the
// table of its persistence id, under its entity id. The value of a row is a byte
// with the version of its encoding and then a protobuf message:
//
//	e/<sequence, 16 hex digits>  an event               google.protobuf.Any
//	s                            the last snapshot      cloudstate.eventsourced.EventSourcedSnapshot
//	v                            the state of a value   google.protobuf.Any
//	o/<number, 24 hex digits>    a forward or effect    mallee.sidecar.v1.Outgoing
//	g/<consumer group>           what it has consumed   mallee.sidecar.v1.Consumed
//	x/<16 digits>/<group>        an event it set aside  mallee.sidecar.v1.Unhandled
//
// It is pure, but for what reads how far consumers are.
package rows

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/storage"
)

// Key2 of rows, or what it begins with.
const (
	Event    = "e/"
	Snapshot = "s"
	Value    = "v"
	Outbox   = "o/"
	Group    = "g/"
)

// version is the first byte of every value.
const version = 1

// Table is where the entities of a persistence id are.
func Table(persistenceID string) string { return "entity/" + persistenceID }

// digits of a 64-bit number: text in the order of the numbers.
const digits = 16

// EventKey is the key2 of an event.
func EventKey(sequence uint64) string { return fmt.Sprintf("%s%0*x", Event, digits, sequence) }

// OutboxKey is the key2 of a forward or effect: of those of one activation, by
// its epoch, one after the other. No two of an entity ever have the same.
func OutboxKey(epoch, number uint64) string {
	return fmt.Sprintf("%s%0*x%08x", Outbox, digits, epoch, number)
}

// Sequence is the other side of EventKey.
func Sequence(key2 string) (uint64, error) {
	number, ok := strings.CutPrefix(key2, Event)
	if !ok || len(number) != digits {
		return 0, fmt.Errorf("%q is not the key of an event", key2)
	}
	sequence, err := strconv.ParseUint(number, 16, 64)
	if err != nil || EventKey(sequence) != key2 {
		return 0, fmt.Errorf("%q is not the key of an event", key2)
	}
	return sequence, nil
}

// Events are the rows of an entity's events from a sequence on.
func Events(table, entity string, from uint64) storage.Range {
	return storage.Range{Table: table, Key1: entity, Prefix: Event, From: EventKey(from)}
}

// Encode makes the value of a row.
func Encode(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.MarshalAppend([]byte{version}, m)
}

// DecodeAny reads an event or a value.
func DecodeAny(row storage.Row) (*anypb.Any, error) {
	m := &anypb.Any{}
	return m, decode(row, m)
}

// DecodeSnapshot reads a snapshot.
func DecodeSnapshot(row storage.Row) (*eventsourcedpb.EventSourcedSnapshot, error) {
	m := &eventsourcedpb.EventSourcedSnapshot{}
	if err := decode(row, m); err != nil {
		return nil, err
	}
	if m.SnapshotSequence < 1 || m.Snapshot == nil {
		return nil, fmt.Errorf("%s is the snapshot of no event", row.Key)
	}
	return m, nil
}

// DecodeOutgoing reads a forward or effect.
func DecodeOutgoing(row storage.Row) (*sidecarpb.Outgoing, error) {
	m := &sidecarpb.Outgoing{}
	if err := decode(row, m); err != nil {
		return nil, err
	}
	if m.Effect == nil {
		return nil, fmt.Errorf("%s is an effect of nothing", row.Key)
	}
	return m, nil
}

func decode(row storage.Row, m proto.Message) error {
	switch {
	case len(row.Value) == 0:
		return fmt.Errorf("%s is empty", row.Key)
	case row.Value[0] != version:
		return fmt.Errorf("%s has encoding %d; this program knows %d: it was written by a newer one", row.Key, row.Value[0], version)
	}
	if err := proto.Unmarshal(row.Value[1:], m); err != nil {
		return fmt.Errorf("decode %s: %w", row.Key, err)
	}
	return nil
}
