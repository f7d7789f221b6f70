package rows_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

var payload = &anypb.Any{TypeUrl: "json.cloudstate.io/object", Value: []byte(`{"a":1}`)}

// What is on disk must not change.
func TestFormat(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		rows.Table("carts"):   "entity/carts",
		rows.EventKey(255):    "e/00000000000000ff",
		rows.OutboxKey(7, 16): "o/000000000000000700000010",
		rows.Snapshot:         "s",
		rows.Value:            "v",
	} {
		if key != want {
			t.Errorf("%q, want %q", key, want)
		}
	}
	value, err := rows.Encode(&anypb.Any{TypeUrl: "t", Value: []byte("v")})
	if want := []byte("\x01\x0a\x01t\x12\x01v"); err != nil || !bytes.Equal(value, want) {
		t.Errorf("%q, %v; want %q", value, err, want)
	}
	value, err = rows.Encode(&sidecarpb.Outgoing{Method: "m", Trail: []*sidecarpb.Step{{Service: "s", Method: "m", Effect: true}}, Effect: &cloudstatepb.SideEffect{ServiceName: "x"}})
	if want := []byte("\x01\x0a\x01m\x12\x08\x0a\x01s\x12\x01m\x18\x01\x1a\x03\x0a\x01x"); err != nil || !bytes.Equal(value, want) {
		t.Errorf("%q, %v; want %q", value, err, want)
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{1, 9, 10, 255, 1 << 40, 1<<64 - 1} {
		if got, err := rows.Sequence(rows.EventKey(n)); err != nil || got != n {
			t.Errorf("%d: %d, %v", n, got, err)
		}
	}
	for _, key := range []string{"", "s", "e/", "e/1", "e/000000000000000G", "e/00000000000000FF", "o/00000000000000ff", "e/+0000000000000ff"} {
		if n, err := rows.Sequence(key); err == nil {
			t.Errorf("%q is event %d", key, n)
		}
	}
}

// Whatever is read is what would be written, or an error.
func FuzzDecode(f *testing.F) {
	for _, m := range []proto.Message{
		payload, &anypb.Any{},
		&eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 3, Snapshot: payload},
		&sidecarpb.Outgoing{Method: "m", Effect: &cloudstatepb.SideEffect{ServiceName: "s", Payload: payload}},
	} {
		value, err := rows.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, value []byte) {
		row := storage.Row{Key: storage.Key{Table: "entity/x", Key1: "1", Key2: "s"}, Value: value}
		event, errEvent := rows.DecodeAny(row)
		snapshot, errSnapshot := rows.DecodeSnapshot(row)
		outgoing, errOutgoing := rows.DecodeOutgoing(row)
		for _, read := range []struct {
			m   proto.Message
			err error
		}{{event, errEvent}, {snapshot, errSnapshot}, {outgoing, errOutgoing}} {
			if read.err != nil {
				continue
			}
			again, err := rows.Encode(read.m)
			if err != nil || again[0] != value[0] {
				t.Fatalf("%q is read and cannot be written: %q, %v", value, again, err)
			}
		}
		if errSnapshot == nil && (snapshot.SnapshotSequence < 1 || snapshot.Snapshot == nil) || errOutgoing == nil && outgoing.Effect == nil {
			t.Fatalf("%q is taken for nothing", value)
		}
	})
}
