package replicas_test

import (
	"bytes"
	"testing"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// What a stream of entries is cut into is the same, written again.
func FuzzEntries(f *testing.F) {
	b := replicas.AppendEntry(nil, &gossip.Entry{Name: "a", State: []byte("state")})
	b = replicas.AppendEntry(b, &gossip.Entry{Name: "a", Continues: true, State: []byte("more")})
	b = replicas.AppendEntry(b, &gossip.Entry{Name: "b", Deleted: true})
	f.Add(replicas.AppendEntry(b, &gossip.Entry{Name: "", State: nil}))
	f.Fuzz(func(t *testing.T, stream []byte) {
		entries, rest := replicas.CutEntries(stream)
		var again []byte
		for i := range entries {
			again = replicas.AppendEntry(again, &entries[i])
		}
		if len(again)+len(rest) > len(stream) {
			t.Fatalf("%d bytes became %d and %d", len(stream), len(again), len(rest))
		}
		twice, none := replicas.CutEntries(again)
		if len(none) != 0 || len(twice) != len(entries) {
			t.Fatalf("%d entries became %d, and %d bytes are left", len(entries), len(twice), len(none))
		}
		for i, e := range entries {
			if x := twice[i]; x.Name != e.Name || x.Deleted != e.Deleted || x.Continues != e.Continues || !bytes.Equal(x.State, e.State) {
				t.Errorf("%v became %v", e, x)
			}
		}
	})
}

// What is in a row is read, or is an error.
func FuzzRows(f *testing.F) {
	var c crdt.Clock
	c.See(crdt.Dot{Replica: 1, Seq: 300})
	f.Add(c.Append([]byte{1}))
	f.Add([]byte{0, 5})
	f.Add([]byte(`{"version":1,"next":4,"given":[1,3],"generation":2,"rows":1,"clock":"AQEB"}`))
	f.Fuzz(func(_ *testing.T, value []byte) {
		_ = replicas.ReadLogRow(value)
		_ = replicas.ReadHead(value)
	})
}
