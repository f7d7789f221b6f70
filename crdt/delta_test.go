package crdt_test

import (
	"math"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

var kinds = []crdt.Kind{
	crdt.KindGCounter, crdt.KindPNCounter, crdt.KindGSet, crdt.KindORSet,
	crdt.KindRegister, crdt.KindFlag, crdt.KindORMap, crdt.KindVote,
}

// deltas are changes of a kind, in which few elements and keys meet often. Some are
// not possible if wild.
func deltas(kind crdt.Kind, depth int, wild bool) *rapid.Generator[*crdt.Delta] {
	return rapid.Custom(func(t *rapid.T) *crdt.Delta {
		d := &crdt.Delta{Kind: kind}
		odd := wild && rapid.IntRange(0, 9).Draw(t, "odd") == 0
		switch kind {
		case crdt.KindGCounter:
			d.Increment = rapid.Uint64Range(0, 5).Draw(t, "increment")
			if odd {
				d.Increment = rapid.SampledFrom([]uint64{math.MaxInt64, 1 << 63, math.MaxUint64}).Draw(t, "too much")
			}
		case crdt.KindPNCounter:
			d.Change = rapid.Int64Range(-5, 5).Draw(t, "change")
			if odd {
				d.Change = rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64}).Draw(t, "too much")
			}
		case crdt.KindGSet:
			d.Added = names(t, "added", 2)
		case crdt.KindORSet:
			d.Cleared = rapid.IntRange(0, 5).Draw(t, "cleared") == 0
			d.Removed, d.Added = names(t, "removed", 2), names(t, "added", 2)
		case crdt.KindRegister:
			d.Value = rapid.StringMatching("[a-c]?").Draw(t, "value")
			d.Clock = crdt.RegisterClock(rapid.IntRange(0, 3).Draw(t, "clock"))
			d.Custom = rapid.Int64Range(-3, 30).Draw(t, "custom")
			if odd {
				d.Custom = rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64}).Draw(t, "far")
			}
		case crdt.KindFlag:
			d.Enabled = !odd
		case crdt.KindVote:
			d.Self = rapid.Bool().Draw(t, "self")
		case crdt.KindORMap:
			d.Cleared = rapid.IntRange(0, 7).Draw(t, "cleared") == 0
			d.Removed = names(t, "removed", 1)
			d.Updated = entries(t, "updated", depth, wild)
			d.Inserted = entries(t, "inserted", depth, wild)
		}
		if odd && rapid.IntRange(0, 4).Draw(t, "no kind") == 0 {
			d.Kind = crdt.Kind(rapid.SampledFrom([]int{0, 9, 255}).Draw(t, "kind"))
		}
		return d
	})
}

func names(t *rapid.T, label string, most int) []string {
	return rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z", ""}), 0, most).Draw(t, label)
}

func entries(t *rapid.T, label string, depth int, wild bool) []crdt.Entry {
	var all []crdt.Entry
	for range rapid.IntRange(0, 2).Draw(t, label) {
		of := kinds
		if depth == 0 {
			of = []crdt.Kind{crdt.KindPNCounter, crdt.KindORSet}
		}
		kind := rapid.SampledFrom(of).Draw(t, "entry")
		if depth > 0 && rapid.Bool().Draw(t, "map") {
			kind = crdt.KindORMap
		}
		key := names(t, "key", 1)
		if len(key) == 1 {
			all = append(all, crdt.Entry{Key: key[0], Delta: deltas(kind, depth-1, wild).Draw(t, "delta")})
		}
	}
	return all
}
