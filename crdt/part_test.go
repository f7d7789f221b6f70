package crdt_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

// TestParts puts a value together again from parts that were read while it went on
// changing, some of them twice, and from the effects since the first.
func TestParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		g := draws{wide: rapid.Bool().Draw(t, "wide"), times: true}
		at, v := crdt.Dot{Replica: 1}, crdt.NewValue(kind)
		change := func() []byte {
			at.Seq++
			if err := v.Change(at, 10, g.delta(t, kind, 2)); err != nil && !errors.Is(err, crdt.ErrKind) && !errors.Is(err, crdt.ErrIllegal) {
				t.Fatal(err)
			}
			return v.AppendEffect(nil, at)
		}
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			change()
		}
		first := at.Seq + 1
		var effects [][]byte
		staged := crdt.NewValue(kind)
		for from := ""; ; {
			b, next := v.AppendPart(nil, from, rapid.IntRange(0, 40).Draw(t, "size"))
			part, err := crdt.ParseValue(b)
			if err != nil {
				t.Fatal(err)
			}
			if err := staged.TakePart(part); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "changes") {
				effects = append(effects, change())
			}
			if rapid.IntRange(0, 3).Draw(t, "again") == 0 && len(effects) < 20 {
				continue // from where it was
			}
			if from = next; from == "" {
				break
			}
		}
		for i, e := range effects {
			if _, err := staged.Apply(crdt.Dot{Replica: 1, Seq: first + uint64(i)}, &crdt.Clock{}, e); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := staged.AppendBinary(nil)
		if want, _ := v.AppendBinary(nil); !bytes.Equal(got, want) {
			t.Fatalf("put together it is %q, not %q", got, want)
		}
	})
}

// TestPartsAreBounded, whatever the order of a map is.
func TestPartsAreBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lengths := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 200).Draw(t, "lengths")
		var elements []string
		for i, n := range lengths {
			elements = append(elements, strings.Repeat("x", n)+fmt.Sprint(i))
		}
		v := crdt.NewValue(crdt.KindORSet)
		if err := v.Change(crdt.Dot{Replica: 1, Seq: 1}, 0, &crdt.Delta{Kind: crdt.KindORSet, Added: elements}); err != nil {
			t.Fatal(err)
		}
		size, n, parts := rapid.IntRange(1, 500).Draw(t, "size"), 0, 0
		for from, more := "", true; more; parts++ {
			b, next := v.AppendPart(nil, from, size)
			if len(b) > size+60 {
				t.Fatalf("a part of %d bytes has %d", size, len(b))
			}
			part, err := crdt.ParseValue(b)
			if err != nil {
				t.Fatal(err)
			}
			n += part.Len()
			from, more = next, next != ""
			if more && len(b) < size {
				t.Fatalf("a part of %d bytes has %d, and is not the last", size, len(b))
			}
		}
		if n != len(elements) {
			t.Fatalf("%d parts have %d of %d elements", parts, n, len(elements))
		}
	})
}

func TestPartOfAnotherKind(t *testing.T) {
	t.Parallel()
	v, _ := made(t, crdt.Dot{Replica: 1, Seq: 1}, everything())
	if err := v.TakePart(crdt.NewValue(crdt.KindORSet)); !errors.Is(err, crdt.ErrKind) {
		t.Fatal(err)
	}
}

// TestPieces has changes that would lead to something too large to travel.
func TestPieces(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return strings.Repeat("x", n) }
	write := func(n int) *crdt.Delta { return &crdt.Delta{Kind: crdt.KindRegister, Value: text(n)} }
	adds := func(kind crdt.Kind, from, n int) *crdt.Delta {
		d := &crdt.Delta{Kind: kind}
		for i := range n {
			d.Added = append(d.Added, fmt.Sprint(from+i)+text(crdt.MaxElement/2))
		}
		return d
	}
	update := func(key string, d *crdt.Delta) *crdt.Delta {
		return &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: key, Delta: d}}}
	}
	inner := func(d *crdt.Delta) *crdt.Delta { return update("outer", update("inner", d)) }
	cleared := adds(crdt.KindORSet, 10, 7)
	cleared.Cleared = true
	without := adds(crdt.KindORSet, 7, 2)
	without.Removed = adds(crdt.KindORSet, 0, 3).Added
	anew := update("outer", write(crdt.MaxPiece-100))
	anew.Removed = []string{"outer"}
	twice := inner(write(crdt.MaxPiece / 2))
	twice.Inserted = append(twice.Inserted, update("outer", update("other", write(crdt.MaxPiece/2))).Inserted...)
	seven := adds(crdt.KindORSet, 0, 7)
	for _, c := range []struct {
		name          string
		before, delta *crdt.Delta
		fits          bool
	}{
		{"register", write(0), write(crdt.MaxPiece), true},
		{"register, too large", write(0), write(crdt.MaxPiece + 1), false},
		{"element", seven, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{text(crdt.MaxElement)}}, true},
		{"element, too large", seven, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{text(crdt.MaxElement + 1)}}, false},
		{"key", inner(seven), update(text(crdt.MaxElement), write(1)), true},
		{"key, too large", inner(seven), update(text(crdt.MaxElement+1), write(1)), false},
		{"set without bounds", seven, adds(crdt.KindORSet, 10, 10), true},
		{"map without bounds", inner(seven), update("another", seven), true},
		{"nested element, too large", inner(seven), inner(&crdt.Delta{Kind: crdt.KindORSet, Added: []string{text(crdt.MaxElement + 1)}}), false},
		{"nested set", inner(seven), inner(adds(crdt.KindORSet, 7, 2)), false},
		{"nested set, the same again", inner(seven), inner(seven), true},
		{"nested set, cleared first", inner(seven), inner(cleared), true},
		{"nested set, removed as much", inner(seven), inner(without), true},
		{"nested register, once more", inner(write(crdt.MaxPiece - 1000)), inner(write(crdt.MaxPiece - 1000)), true},
		{"beside it", inner(seven), update("outer", update("other", write(crdt.MaxPiece/2))), false},
		{"key anew", inner(seven), anew, true},
		{"two entries of one key", inner(write(1)), twice, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := crdt.Dot{Replica: 1, Seq: 1}
			v, _ := made(t, at, c.before)
			before := state(t, v)
			at.Seq++
			err := v.Change(at, 100, c.delta)
			switch {
			case c.fits && err != nil:
				t.Fatal(err)
			case c.fits:
				return
			case !errors.Is(err, crdt.ErrIllegal) || v.Pending() || !bytes.Equal(before, state(t, v)):
				t.Fatalf("%v, pending: %v", err, v.Pending())
			}
		})
	}
}

// TestPieceThatOthersHaveMade is too large, and is taken; it can shrink.
func TestPieceThatOthersHaveMade(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", crdt.MaxElement-10)
	var seen crdt.Clock
	v := crdt.NewValue(crdt.KindORMap)
	set := func(d *crdt.Delta) *crdt.Delta {
		d.Kind = crdt.KindORSet
		return &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "k", Delta: d}}}
	}
	for r := range crdt.ReplicaID(6) {
		at := crdt.Dot{Replica: r + 2, Seq: 1}
		_, effect := made(t, at, set(&crdt.Delta{Added: []string{fmt.Sprint(r) + long}}))
		if _, err := v.Apply(at, &seen, effect); err != nil {
			t.Fatal(err)
		}
	}
	at := crdt.Dot{Replica: 1, Seq: 1}
	if err := v.Change(at, 1, set(&crdt.Delta{Added: []string{strings.Repeat("y", 100)}})); !errors.Is(err, crdt.ErrIllegal) {
		t.Fatalf("it grows: %v", err)
	}
	for _, d := range []*crdt.Delta{
		{Removed: []string{"0" + long}},
		{Removed: []string{"1" + long}, Added: []string{"y"}},
		{Cleared: true, Added: []string{"z"}},
	} {
		if err := v.Change(at, 1, set(d)); err != nil {
			t.Fatal(err)
		}
	}
}
