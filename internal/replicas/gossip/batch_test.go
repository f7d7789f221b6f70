package gossip_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// FuzzParseBatch: what cannot be read is refused, and what can is applied, and
// encoded as it was read.
func FuzzParseBatch(f *testing.F) {
	r := newReplica(1)
	for _, d := range []*crdt.Delta{
		{Kind: crdt.KindPNCounter, Change: 3},
		{Kind: crdt.KindORSet, Added: []string{"x", "y"}},
		{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}}}},
	} {
		must(f, r.Open(fmt.Sprint(d.Kind)).Change(d))
	}
	must(f, r.Open("gone").Delete())
	for _, b := range r.Seal() {
		encoded := gossip.AppendBatch(nil, &b)
		f.Add(encoded)
		f.Add(append(encoded, 1))
		f.Add(encoded[:len(encoded)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, rest, err := gossip.ParseBatch(data)
		if err != nil {
			if !errors.Is(err, crdt.ErrMalformed) {
				t.Fatalf("parsing: %v", err)
			}
			return
		}
		again := gossip.AppendBatch(nil, &b)
		if c, left, err := gossip.ParseBatch(again); err != nil || len(left) != 0 || !bytes.Equal(gossip.AppendBatch(nil, &c), again) {
			t.Fatalf("what was read and written again is %v, %d bytes too many, %v", c, len(left), err)
		}
		if len(rest) > len(data) {
			t.Fatal("more is left than there was")
		}
		v := gossip.NewStaged(&b.Seen)
		if b.Seen.Seen(b.At.Replica)+1 != b.At.Seq || b.Seen.Covers(b.At) {
			return // made up: nobody seals such a batch
		}
		if early, err := v.Apply(&b); early || err != nil {
			t.Fatalf("applying what was parsed: early %v, %v", early, err)
		}
	})
}
