package crdt_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

var alone = crdt.Electorate{Self: 1, Members: []crdt.ReplicaID{1}}

// TestViewsAndValues checks that a user who is alone sees of every change what it
// expects, and that what differs between two times leads from one to the other.
func TestViewsAndValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := draws{wild: true, wide: rapid.Bool().Draw(t, "wide")}
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		v, w := crdt.NewValue(kind), &crdt.View{}
		var seen []*crdt.View
		for seq := range uint64(rapid.IntRange(1, 6).Draw(t, "changes")) {
			d := g.delta(t, kind, 2)
			here, there := v.Change(crdt.Dot{Replica: 1, Seq: seq + 1}, 10, d), w.Apply(d)
			if !errors.Is(there, here) && (here == nil) != (there == nil) && w.Kind != 0 {
				t.Fatalf("%v: the value says %v, the view %v", d, here, there)
			}
			if got := v.View(alone); w.Kind != 0 && !reflect.DeepEqual(w, got) {
				t.Fatalf("after %v: the user sees %s, there is %s", d, show(w), show(got))
			}
			seen = append(seen, v.View(alone))
		}
		for i, from := range seen {
			for j, to := range seen {
				leads(t, from, to, i <= j)
			}
		}
		leads(t, nil, v.View(alone), true)
	})
}

// leads checks a difference. Values that only grow have none that leads back.
func leads(t *rapid.T, from, to *crdt.View, onwards bool) {
	d, err := crdt.Diff(from, to)
	if err != nil {
		if onwards || !slices.Contains([]crdt.Kind{crdt.KindGCounter, crdt.KindGSet, crdt.KindFlag}, to.Kind) {
			if to.Kind != crdt.KindPNCounter {
				t.Fatalf("nothing leads from %s to %s: %v", show(from), show(to), err)
			}
		}
		return
	}
	if (d == nil) != (from != nil && reflect.DeepEqual(from, to)) {
		t.Fatalf("from %s to %s leads %v", show(from), show(to), d)
	}
	w := copied(from)
	if d != nil {
		if err := w.Apply(d); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(w, to) {
		t.Fatalf("%v leads from %s to %s instead of %s", d, show(from), show(w), show(to))
	}
}

func copied(w *crdt.View) *crdt.View {
	c := &crdt.View{}
	if w == nil {
		return c
	}
	d, err := crdt.Diff(nil, w)
	if err == nil {
		err = c.Apply(d)
	}
	if err != nil {
		panic(err)
	}
	return c
}

func set(elems ...string) *crdt.View {
	w := &crdt.View{Kind: crdt.KindORSet, Elements: map[string]struct{}{}}
	for _, x := range elems {
		w.Elements[x] = struct{}{}
	}
	return w
}

func inMap(key string, v *crdt.View) *crdt.View {
	return &crdt.View{Kind: crdt.KindORMap, Entries: map[string]*crdt.View{key: v}}
}

// TestDiff has the rules of the Cloudstate protocol that views alone do not show.
func TestDiff(t *testing.T) {
	t.Parallel()
	up := func(n int64) *crdt.View { return &crdt.View{Kind: crdt.KindGCounter, Count: n} }
	flag := func(on bool) *crdt.View { return &crdt.View{Kind: crdt.KindFlag, Enabled: on} }
	grown := func(elems ...string) *crdt.View {
		w := set(elems...)
		w.Kind = crdt.KindGSet
		return w
	}
	noKeys := &crdt.View{Kind: crdt.KindORMap, Entries: map[string]*crdt.View{}}
	for _, c := range []struct {
		name     string
		from, to *crdt.View
		want     *crdt.Delta
		err      error
	}{
		{name: "nothing and nothing"},
		{name: "an empty value is made", to: set(), want: &crdt.Delta{Kind: crdt.KindORSet}},
		{name: "no value any more", from: set(), err: crdt.ErrIllegal},
		{name: "another kind", from: set(), to: up(1), err: crdt.ErrKind},
		{name: "a set becomes empty", from: set("a", "b"), to: set(), want: &crdt.Delta{Kind: crdt.KindORSet, Cleared: true}},
		{
			name: "few elements differ", from: set("a", "b", "c"), to: set("b", "c", "d"),
			want: &crdt.Delta{Kind: crdt.KindORSet, Removed: []string{"a"}, Added: []string{"d"}},
		},
		{
			name: "more differ than are left", from: set("a", "b", "c"), to: set("c", "d"),
			want: &crdt.Delta{Kind: crdt.KindORSet, Cleared: true, Added: []string{"c", "d"}},
		},
		{name: "a map becomes empty", from: inMap("k", up(1)), to: noKeys, want: &crdt.Delta{Kind: crdt.KindORMap, Cleared: true}},
		{
			name: "all keys of a map differ", from: inMap("k", up(1)), to: inMap("l", up(2)),
			want: &crdt.Delta{
				Kind: crdt.KindORMap, Removed: []string{"k"},
				Inserted: []crdt.Entry{{Key: "l", Delta: &crdt.Delta{Kind: crdt.KindGCounter, Increment: 2}}},
			},
		},
		{
			name: "an entry has changed", from: inMap("k", up(1)), to: inMap("k", up(4)),
			want: &crdt.Delta{
				Kind:    crdt.KindORMap,
				Updated: []crdt.Entry{{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindGCounter, Increment: 3}}},
			},
		},
		{
			name: "an entry has decreased", from: inMap("k", up(4)), to: inMap("k", up(1)),
			want: &crdt.Delta{
				Kind: crdt.KindORMap, Removed: []string{"k"},
				Inserted: []crdt.Entry{{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindGCounter, Increment: 1}}},
			},
		},
		{
			name: "an entry is of another kind", from: inMap("k", up(4)), to: inMap("k", flag(true)),
			want: &crdt.Delta{
				Kind: crdt.KindORMap, Removed: []string{"k"},
				Inserted: []crdt.Entry{{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}}},
			},
		},
		{name: "a GCounter decreases", from: up(2), to: up(1), err: crdt.ErrIllegal},
		{name: "a GSet loses an element", from: grown("a", "b"), to: grown("b", "c"), err: crdt.ErrIllegal},
		{name: "a Flag is disabled", from: flag(true), to: flag(false), err: crdt.ErrIllegal},
		{name: "a Flag is enabled", from: flag(false), to: flag(true), want: &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}},
		{
			name: "a member joins a Vote",
			from: &crdt.View{Kind: crdt.KindVote, Self: true, For: 1, Voters: 1},
			to:   &crdt.View{Kind: crdt.KindVote, Self: true, For: 1, Voters: 2},
			want: &crdt.Delta{Kind: crdt.KindVote, Self: true, For: 1, Voters: 2},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := crdt.Diff(c.from, c.to)
			if !errors.Is(err, c.err) || !reflect.DeepEqual(got, c.want) {
				t.Fatalf("%+v, %v", got, err)
			}
		})
	}
}
