package crdt_test

import (
	"math"
	"strconv"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

var kinds = []crdt.Kind{
	crdt.KindGCounter, crdt.KindPNCounter, crdt.KindGSet, crdt.KindORSet,
	crdt.KindRegister, crdt.KindFlag, crdt.KindORMap, crdt.KindVote,
}

// draws are changes in which few elements and keys meet often.
type draws struct {
	wild  bool // some are not possible
	wide  bool // there are many elements, and several in a change
	times bool // registers are written by all clocks
}

// delta is a change of a kind.
func (g draws) delta(t *rapid.T, kind crdt.Kind, depth int) *crdt.Delta {
	d := &crdt.Delta{Kind: kind}
	odd := g.wild && rapid.IntRange(0, 9+g.many(90)).Draw(t, "odd") == 0
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
		d.Added = g.names(t, "added")
	case crdt.KindORSet:
		d.Cleared = rapid.IntRange(0, 5).Draw(t, "cleared") == 0
		d.Removed, d.Added = g.names(t, "removed"), g.names(t, "added")
	case crdt.KindRegister:
		d.Value = rapid.StringMatching("[a-c]?").Draw(t, "value")
		if g.times {
			d.Clock = crdt.RegisterClock(rapid.IntRange(0, 3).Draw(t, "clock"))
			d.Custom = rapid.Int64Range(-3, 30).Draw(t, "custom")
		}
		if odd {
			d.Custom = rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64}).Draw(t, "far")
			d.Clock = rapid.SampledFrom([]crdt.RegisterClock{d.Clock, crdt.AutoClock + 1}).Draw(t, "no clock")
		}
	case crdt.KindFlag:
		d.Enabled = !odd
	case crdt.KindVote:
		d.Self = rapid.Bool().Draw(t, "self")
	case crdt.KindORMap:
		d.Cleared = rapid.IntRange(0, 7).Draw(t, "cleared") == 0
		d.Removed = g.names(t, "removed")
		d.Updated, d.Inserted = g.entries(t, "updated", depth), g.entries(t, "inserted", depth)
	}
	if odd && rapid.IntRange(0, 4).Draw(t, "no kind") == 0 {
		d.Kind = crdt.Kind(rapid.SampledFrom([]int{0, 9, 255}).Draw(t, "kind"))
	}
	return d
}

// many is n if there are many.
func (g draws) many(n int) int {
	if g.wide {
		return n
	}
	return 0
}

func (g draws) names(t *rapid.T, label string) []string {
	names := make([]string, rapid.IntRange(0, 2+g.many(10)).Draw(t, label))
	for i := range names {
		names[i] = g.name(t)
	}
	return names
}

func (g draws) name(t *rapid.T) string {
	if g.wide {
		return strconv.Itoa(rapid.IntRange(0, 20).Draw(t, "name"))
	}
	return rapid.SampledFrom([]string{"x", "y", ""}).Draw(t, "name")
}

func (g draws) entries(t *rapid.T, label string, depth int) (all []crdt.Entry) {
	for range rapid.IntRange(0, 2+g.many(10)).Draw(t, label) {
		kind := rapid.SampledFrom(kinds).Draw(t, "entry")
		if depth == 0 {
			kind = crdt.KindPNCounter
		} else if rapid.IntRange(0, 2).Draw(t, "map") == 0 {
			kind = crdt.KindORMap
		}
		e := crdt.Entry{Key: g.name(t), Delta: g.delta(t, kind, depth-1)}
		if g.wild && rapid.IntRange(0, 50).Draw(t, "nothing") == 0 && !g.wide {
			e.Delta = nil
		}
		all = append(all, e)
	}
	return all
}
