package crdt_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/mallee-io/mallee/crdt"
)

// TestImpossible has changes that fail, and must leave no trace.
func TestImpossible(t *testing.T) {
	t.Parallel()
	at := crdt.Dot{Replica: 1, Seq: 1}
	entry := func(key string, d *crdt.Delta) crdt.Entry { return crdt.Entry{Key: key, Delta: d} }
	one := &crdt.Delta{Kind: crdt.KindGCounter, Increment: 1}
	most := &crdt.Delta{Kind: crdt.KindGCounter, Increment: math.MaxInt64}
	deep := &crdt.Delta{Kind: crdt.KindORMap}
	for range 33 {
		deep = &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{entry("k", deep)}}
	}
	for _, c := range []struct {
		name          string
		before, delta *crdt.Delta
		err           error
	}{
		{"no delta", one, nil, crdt.ErrIllegal},
		{"no kind", one, &crdt.Delta{}, crdt.ErrIllegal},
		{"unknown kind", one, &crdt.Delta{Kind: 9}, crdt.ErrIllegal},
		{"another kind", one, &crdt.Delta{Kind: crdt.KindFlag}, crdt.ErrKind},
		{"increment that is negative for others", one, &crdt.Delta{Kind: crdt.KindGCounter, Increment: 1 << 63}, crdt.ErrIllegal},
		{"sum that is", one, most, crdt.ErrIllegal},
		{
			"sum that is out of range", &crdt.Delta{Kind: crdt.KindPNCounter, Change: -2},
			&crdt.Delta{Kind: crdt.KindPNCounter, Change: math.MinInt64}, crdt.ErrIllegal,
		},
		{"disable", &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}, &crdt.Delta{Kind: crdt.KindFlag}, crdt.ErrIllegal},
		{"unknown clock", &crdt.Delta{Kind: crdt.KindRegister}, &crdt.Delta{Kind: crdt.KindRegister, Clock: 4}, crdt.ErrIllegal},
		{"too deep", &crdt.Delta{Kind: crdt.KindORMap}, deep, crdt.ErrIllegal},
		{
			"third entry", everything(), &crdt.Delta{
				Kind: crdt.KindORMap, Cleared: true,
				Inserted: []crdt.Entry{entry("a", one), entry("b", one), entry("c", &crdt.Delta{})},
			}, crdt.ErrIllegal,
		},
		{
			"one key twice", everything(), &crdt.Delta{
				Kind: crdt.KindORMap, Inserted: []crdt.Entry{entry("a", one), entry("a", most)},
			}, crdt.ErrIllegal,
		},
		{
			"key of another kind", everything(), &crdt.Delta{
				Kind: crdt.KindORMap, Removed: []string{"vote"}, Inserted: []crdt.Entry{entry("flag", one)},
			}, crdt.ErrKind,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, _ := made(t, at, c.before)
			before := state(t, v)
			err := v.Change(crdt.Dot{Replica: 1, Seq: 2}, 100, c.delta)
			if !errors.Is(err, c.err) || v.Pending() || !bytes.Equal(state(t, v), before) {
				t.Fatalf("%v, pending: %v", err, v.Pending())
			}
		})
	}
}

// TestCountIsImpossible checks that Count fails as Change does.
func TestCountIsImpossible(t *testing.T) {
	t.Parallel()
	at := crdt.Dot{Replica: 1, Seq: 1}
	if _, err := crdt.NewValue(crdt.KindFlag).Count(at, 1); !errors.Is(err, crdt.ErrKind) {
		t.Fatal(err)
	}
	up := crdt.NewValue(crdt.KindGCounter)
	if _, err := up.Count(at, -1); !errors.Is(err, crdt.ErrIllegal) || up.Pending() {
		t.Fatal(err)
	}
	if n, err := up.Count(at, 0); n != 0 || err != nil || up.Pending() {
		t.Fatal(n, err)
	}
}

// TestRegisterClocks has what each clock makes of a write at 100 over one that was
// made at some other time.
func TestRegisterClocks(t *testing.T) {
	t.Parallel()
	custom := func(time int64) *crdt.Delta {
		return &crdt.Delta{Kind: crdt.KindRegister, Value: "new", Clock: crdt.CustomClock, Custom: time}
	}
	auto := func(time int64) *crdt.Delta {
		return &crdt.Delta{Kind: crdt.KindRegister, Value: "new", Clock: crdt.AutoClock, Custom: time}
	}
	now := &crdt.Delta{Kind: crdt.KindRegister, Value: "new"}
	back := &crdt.Delta{Kind: crdt.KindRegister, Value: "new", Clock: crdt.ReverseClock}
	for _, c := range []struct {
		name  string
		old   int64 // 0: none
		delta *crdt.Delta
		wins  int64 // the least custom time that is later than the write's; 0: it is dropped
	}{
		{"default, first", 0, now, 102},
		{"default, later", 50, now, 101},
		{"default, behind", 200, now, 202},
		{"default, at the end of time", math.MaxInt64, now, 0},
		{"reverse, first", 0, back, -99},
		{"reverse, later", -200, back, 0},
		{"reverse, earlier", -50, back, 0},
		{"reverse, at the beginning of time", math.MinInt64, back, 0},
		{"custom, first", 0, custom(-7), -6},
		{"custom, later", 50, custom(51), 52},
		{"custom, same", 50, custom(50), 0},
		{"custom, behind", 50, custom(49), 0},
		{"auto, first, behind the clock", 0, auto(7), 102},
		{"auto, first, before the clock", 0, auto(300), 301},
		{"auto, later", 50, auto(60), 61},
		{"auto, behind", 50, auto(7), 52},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := crdt.Dot{Replica: 1, Seq: 1}
			v := crdt.NewValue(crdt.KindRegister)
			if _, ok := v.Winner(); ok {
				t.Fatal("a new register has been written")
			}
			if c.old != 0 {
				v, _ = made(t, at, &crdt.Delta{Kind: crdt.KindRegister, Value: "old", Clock: crdt.CustomClock, Custom: c.old})
			}
			wrote := func(d *crdt.Delta) bool {
				at.Seq++
				if err := v.Change(at, 100, d); err != nil {
					t.Fatal(err)
				}
				pending := v.Pending()
				v.AppendEffect(nil, at)
				return pending
			}
			if wrote(c.delta) != (c.wins != 0) {
				t.Fatal("pending")
			}
			if got, _ := v.Winner(); (got == "new") != (c.wins != 0) {
				t.Fatal(got)
			}
			if c.wins != 0 && (wrote(custom(c.wins-1)) || !wrote(custom(c.wins))) {
				t.Fatal("it was written at another time")
			}
		})
	}
}

// TestFold checks that what a removed replica has counted stays, and its votes do
// not, in both values that two replicas have made at one key at the same time too.
func TestFold(t *testing.T) {
	t.Parallel()
	const gone = 7
	one := &crdt.Delta{Kind: crdt.KindPNCounter, Change: 1}
	at := crdt.Dot{Replica: gone, Seq: 1}
	v, _ := made(t, crdt.Dot{Replica: 1, Seq: 1}, &crdt.Delta{
		Kind: crdt.KindORMap, Inserted: []crdt.Entry{
			{Key: "k", Delta: &crdt.Delta{Kind: crdt.KindGSet}},
			{Key: "l", Delta: &crdt.Delta{Kind: crdt.KindGCounter}},
			{Key: "v", Delta: &crdt.Delta{Kind: crdt.KindVote, Self: true}},
		},
	})
	for _, key := range []string{"k", "l"} {
		_, effect := made(t, at, &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{
			{Key: key, Delta: one}, {Key: "m", Delta: one}, {Key: "v", Delta: &crdt.Delta{Kind: crdt.KindVote, Self: true}},
		}})
		if _, err := v.Apply(at, &crdt.Clock{}, effect); err != nil {
			t.Fatal(err)
		}
		at.Seq++
	}
	e := crdt.Electorate{Self: 1, Members: []crdt.ReplicaID{1, gone}}
	if _, n, _ := v.At("v").Votes(e); n != 2 {
		t.Fatal("votes", n)
	}
	v.Fold(gone)
	b := state(t, v)
	if bytes.Contains(b, []byte{byte(crdt.KindPNCounter), 1, gone, 1, 1, gone, 1, 2}) ||
		bytes.Contains(b, []byte{byte(crdt.KindPNCounter), 1, gone, 2, 1, gone, 2, 2}) {
		t.Fatalf("totals are left in %q", b)
	}
	if _, n, _ := v.At("v").Votes(e); n != 1 || v.At("m").Total() != 1 {
		t.Fatal(n, v.At("m").Total())
	}
	v.Fold(gone)
	if !bytes.Equal(state(t, v), b) {
		t.Fatal("folded twice")
	}
}

// TestReading checks that what is not there reads as nothing.
func TestReading(t *testing.T) {
	t.Parallel()
	v, _ := made(t, crdt.Dot{Replica: 1, Seq: 1}, everything())
	if v.Len() != 8 || !v.Has("flag") || v.Has("x") || v.At("set").Len() != 1 || !v.At("set").Has("x") {
		t.Fatal(v.Len())
	}
	if n := len(slices.Collect(v.Elements())); n != 8 || v.At("map").At("k").Kind() != crdt.KindORMap {
		t.Fatal(n)
	}
	for range v.At("map").Elements() {
		break
	}
	for _, v := range []*crdt.Value{nil, v.At("none"), v.At("flag"), v} {
		_, written := v.Winner()
		_, votes, voters := v.Votes(alone)
		if v.Total() != 0 || written || votes != 0 || voters != 1 || v.Enabled() != (v != nil && v.Kind() == crdt.KindFlag) {
			t.Fatal(v)
		}
		if v == nil && (v.Len() != 0 || v.Has("x") || len(slices.Collect(v.Elements())) != 0 || v.View(alone) != nil) {
			t.Fatal(v)
		}
	}
}

// TestMalformed checks that what is too deep or cut off is not read.
func TestMalformed(t *testing.T) {
	t.Parallel()
	v, effect := made(t, crdt.Dot{Replica: 1, Seq: 1}, everything())
	b := state(t, v)
	for i := range b {
		if _, err := crdt.ParseValue(b[:i]); !errors.Is(err, crdt.ErrMalformed) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	for i := range effect {
		if changed, err := v.Apply(crdt.Dot{Replica: 2, Seq: 1}, &crdt.Clock{}, effect[:i]); changed || !errors.Is(err, crdt.ErrMalformed) {
			t.Fatalf("%d bytes: %v", i, err)
		}
	}
	if _, err := crdt.NewValue(crdt.KindFlag).Apply(crdt.Dot{Replica: 2, Seq: 1}, &crdt.Clock{}, effect); !errors.Is(err, crdt.ErrKind) {
		t.Fatal(err)
	}
	if _, err := crdt.NewValue(crdt.KindFlag).Merge(&crdt.Clock{}, v, &crdt.Clock{}); !errors.Is(err, crdt.ErrKind) {
		t.Fatal(err)
	}
	deep := &crdt.Delta{Kind: crdt.KindORMap}
	for range 32 {
		deep = &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "k", Delta: deep}}}
	}
	v, effect = made(t, crdt.Dot{Replica: 1, Seq: 1}, deep)
	if _, err := crdt.ParseValue(state(t, v)); err != nil {
		t.Fatal(err)
	}
	if _, err := crdt.NewValue(crdt.KindORMap).Apply(crdt.Dot{Replica: 1, Seq: 1}, &crdt.Clock{}, effect); err != nil {
		t.Fatal(err)
	}
	deeper := append([]byte{1, byte(crdt.KindORMap), 0, 0, 1, 1, 'k'}, effect[1:]...)
	if _, err := crdt.NewValue(crdt.KindORMap).Apply(crdt.Dot{Replica: 1, Seq: 1}, &crdt.Clock{}, deeper); !errors.Is(err, crdt.ErrMalformed) {
		t.Fatal(err)
	}
}

// TestEncodings fixes what other versions and stores have: to change it takes another
// version in the first byte.
func TestEncodings(t *testing.T) {
	t.Parallel()
	v, effect := made(t, crdt.Dot{Replica: 3, Seq: 200}, everything())
	const wantState = "\x01\a\b\x04both\x02\x01\x03\xc8\x01\x01\x03\xc8\x01\x05\x00\x04flag\x06\x01\x03\xc8\x01\x01\x03\xc8\x01\x00\x05grown\x03\x01\x03\xc8\x01\x02\x00\x01\x03\xc8\x01\x01a\x01\x03\xc8\x01\x00\x03map\a\x01\x03\xc8\x01\x01\x01k\a\x01\x03\xc8\x01\x00\x00\x00\bregister\x05\x01\x03\xc8\x01\x01\x03\xc8\x01\x11\x01v\x00\x03set\x04\x01\x03\xc8\x01\x01\x01x\x01\x03\xc8\x01\x00\x02up\x01\x01\x03\xc8\x01\x01\x03\xc8\x01\xd8\x04\x00\x04vote\b\x01\x03\xc8\x01\x01\x03\xc8\x01\x01\x00"
	const wantEffect = "\x01\a\x00\x00\b\x04both\x02\x01\x05\x04flag\x06\x01\x05grown\x03\x00\x00\x02\x00\x01a\x03map\a\x00\x00\x01\x01k\a\x00\x00\x00\bregister\x05\x01\x11\x01v\x03set\x04\x00\x00\x01\x01x\x02up\x01\x01\xd8\x04\x04vote\b\x01\x01"
	if got := string(state(t, v)); got != wantState {
		t.Errorf("%q", got)
	}
	if got := string(effect); got != wantEffect {
		t.Errorf("%q", got)
	}
}
