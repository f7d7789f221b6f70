package crdt_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

// clocks are what a few nodes of a cluster can have seen, some of whose replicas
// have been removed. All of them know of each other.
func clocks(t *rapid.T, n int) []crdt.Clock {
	removed := crdt.ReplicaID(rapid.IntRange(0, 4).Draw(t, "removed"))
	all := make([]crdt.Clock, n)
	for i := range all {
		for r := crdt.ReplicaID(1); r <= 6; r++ {
			seq := rapid.Uint64Range(0, 3).Draw(t, "seq")
			if r <= removed && r != 2 {
				seq = 7
			}
			all[i].See(crdt.Dot{Replica: r, Seq: seq})
			if r <= removed && r != 2 && rapid.Bool().Draw(t, "forgets") {
				all[i].Forget(r)
			}
		}
	}
	return all
}

// TestClocks checks the laws of clocks.
func TestClocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := clocks(t, 3)
		a, b, c := all[0], all[1], all[2]
		join := func(x, y crdt.Clock) crdt.Clock {
			z := x.Clone()
			z.Merge(&y)
			return z
		}
		same := func(law string, x, y crdt.Clock) {
			if !bytes.Equal(x.Append(nil), y.Append(nil)) || !maps.Equal(maps.Collect(x.All()), maps.Collect(y.All())) {
				t.Fatalf("merge is not %s: %v, %v", law, x, y)
			}
		}
		same("idempotent", join(a, a), a)
		same("commutative", join(a, b), join(b, a))
		same("associative", join(join(a, b), c), join(a, join(b, c)))
		ab := join(a, b)
		if !ab.Includes(&a) || !ab.Includes(&b) || !a.Includes(&a) {
			t.Fatal("what was merged is not included")
		}
		if a.Includes(&b) {
			same("that of what is included", ab, a)
		}
		for r := range crdt.ReplicaID(9) {
			for seq := range uint64(9) {
				d := crdt.Dot{Replica: r, Seq: seq}
				if ab.Covers(d) != (a.Covers(d) || b.Covers(d)) {
					t.Fatalf("%v: %v and %v, merged: %v", d, a, b, ab)
				}
				if b.Covers(d) && !a.Covers(d) && a.Includes(&b) {
					t.Fatalf("%v includes %v, but not %v", a, b, d)
				}
			}
		}
		encoded := append(a.Append(nil), "rest"...)
		parsed, rest, err := crdt.ParseClock(encoded)
		if err != nil || string(rest) != "rest" {
			t.Fatal(rest, err)
		}
		same("read again", parsed, a)
	})
}

func TestClockForgets(t *testing.T) {
	t.Parallel()
	var c crdt.Clock
	c.See(crdt.Dot{Replica: 1})
	c.See(crdt.Dot{Replica: 2, Seq: 5})
	if c.Forgotten(2) || c.Seen(2) != 5 || c.Seen(3) != 0 {
		t.Fatal(c)
	}
	c.Forget(2)
	c.See(crdt.Dot{Replica: 2, Seq: 9}) // too late
	switch {
	case !c.Forgotten(2), c.Seen(2) != 0, c.Forgotten(1), c.Forgotten(3):
		t.Fatal(c)
	case !c.Covers(crdt.Dot{Replica: 2, Seq: 99}), c.Covers(crdt.Dot{Replica: 1, Seq: 1}), c.Covers(crdt.Dot{Replica: 3, Seq: 1}):
		t.Fatal(c)
	}
	for range c.All() {
		break
	}
}

// TestClockThatIsTooLarge checks that no clock is read of more than MaxReplicas, nor
// what has been allocated before all of it has come.
func TestClockThatIsTooLarge(t *testing.T) {
	t.Parallel()
	var c crdt.Clock
	for i := range crdt.ReplicaID(crdt.MaxReplicas) {
		c.See(crdt.Dot{Replica: i + 1, Seq: 1})
	}
	if _, _, err := crdt.ParseClock(c.Append(nil)); err != nil {
		t.Fatal(err)
	}
	c.See(crdt.Dot{Replica: crdt.MaxReplicas + 1, Seq: 1})
	if _, _, err := crdt.ParseClock(c.Append(nil)); !errors.Is(err, crdt.ErrMalformed) {
		t.Fatal(err)
	}
}

func FuzzParseClock(f *testing.F) {
	var c crdt.Clock
	f.Add(c.Append(nil))
	c.See(crdt.Dot{Replica: 2, Seq: 300})
	c.Forget(5)
	c.See(crdt.Dot{Replica: 7})
	f.Add(c.Append(nil))
	f.Add([]byte{5, 1, 5, 1})
	f.Add([]byte{0, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, rest, err := crdt.ParseClock(b)
		if err != nil {
			if !errors.Is(err, crdt.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if again := append(c.Append(nil), rest...); !bytes.Equal(again, b) {
			t.Fatalf("%x is read as %x", b, again)
		}
		if !c.Includes(&c) {
			t.Fatal("a clock does not include itself")
		}
	})
}
