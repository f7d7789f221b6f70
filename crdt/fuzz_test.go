package crdt_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mallee-io/mallee/crdt"
)

// everything has something of each kind.
func everything() *crdt.Delta {
	inner := &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindORMap}}}}
	return &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{
		{Key: "up", Delta: &crdt.Delta{Kind: crdt.KindGCounter, Increment: 300}},
		{Key: "both", Delta: &crdt.Delta{Kind: crdt.KindPNCounter, Change: -3}},
		{Key: "grown", Delta: &crdt.Delta{Kind: crdt.KindGSet, Added: []string{"", "a"}}},
		{Key: "set", Delta: &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"x"}}},
		{Key: "register", Delta: &crdt.Delta{Kind: crdt.KindRegister, Value: "v", Clock: crdt.CustomClock, Custom: -9}},
		{Key: "flag", Delta: &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}},
		{Key: "vote", Delta: &crdt.Delta{Kind: crdt.KindVote, Self: true}},
		{Key: "map", Delta: inner},
	}}
}

// made is a value of the delta, and the effect of it.
func made(tb testing.TB, at crdt.Dot, d *crdt.Delta) (*crdt.Value, []byte) {
	tb.Helper()
	v := crdt.NewValue(d.Kind)
	if err := v.Change(at, 100, d); err != nil {
		tb.Fatal(err)
	}
	return v, v.AppendEffect(nil, at)
}

func state(tb testing.TB, v *crdt.Value) []byte {
	tb.Helper()
	b, err := v.AppendBinary(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func FuzzParseValue(f *testing.F) {
	v, _ := made(f, crdt.Dot{Replica: 3, Seq: 9}, everything())
	f.Add(state(f, v))
	for _, k := range kinds {
		f.Add(state(f, crdt.NewValue(k)))
	}
	two := []byte{1, byte(crdt.KindORMap), 1, 1, 'k', byte(crdt.KindPNCounter), 1, 1, 1, 2, 0, 3, 4, 1, 1, 2, byte(crdt.KindFlag), 1, 2, 1, 0, 0}
	f.Add(two)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := crdt.ParseValue(b)
		if err != nil {
			if !errors.Is(err, crdt.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if again := state(t, v); !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %x", b, again)
		}
		v.View(alone)
		other, err := crdt.ParseValue(b)
		if err != nil {
			t.Fatal(err)
		}
		var mine, theirs crdt.Clock
		mine.See(crdt.Dot{Replica: 1, Seq: 2})
		if _, err := v.Merge(&mine, other, &theirs); err != nil {
			t.Fatal(err)
		}
		v.Fold(3)
		if _, err := crdt.ParseValue(state(t, v)); err != nil {
			t.Fatalf("%x, merged and folded, cannot be read: %v", b, err)
		}
	})
}

func FuzzApply(f *testing.F) {
	at := crdt.Dot{Replica: 2, Seq: 3}
	for _, k := range kinds {
		f.Add(crdt.NewValue(k).AppendEffect(nil, at))
	}
	v, effect := made(f, at, everything())
	f.Add(effect)
	at.Seq++
	for _, d := range []*crdt.Delta{
		{Kind: crdt.KindORMap, Removed: []string{"up"}, Updated: []crdt.Entry{{Key: "set", Delta: &crdt.Delta{Kind: crdt.KindORSet, Cleared: true}}}},
		{Kind: crdt.KindORMap, Cleared: true},
	} {
		if err := v.Change(at, 100, d); err != nil {
			f.Fatal(err)
		}
		f.Add(v.AppendEffect(nil, at))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := crdt.EffectKind(b)
		if err != nil {
			if !errors.Is(err, crdt.ErrMalformed) {
				t.Fatal(err)
			}
			kind = crdt.KindORMap
		}
		v := crdt.NewValue(kind)
		if kind == crdt.KindORMap {
			v, _ = made(t, crdt.Dot{Replica: 1, Seq: 1}, everything())
		}
		var seen crdt.Clock
		seen.See(crdt.Dot{Replica: 1, Seq: 1})
		before := state(t, v)
		changed, err := v.Apply(crdt.Dot{Replica: 2, Seq: 3}, &seen, b)
		after := state(t, v)
		if err != nil && (changed || !errors.Is(err, crdt.ErrMalformed) || !bytes.Equal(before, after)) {
			t.Fatal(changed, err)
		}
		if _, err := crdt.ParseValue(after); err != nil {
			t.Fatalf("%x, applied to %x, gives %x: %v", b, before, after, err)
		}
	})
}
