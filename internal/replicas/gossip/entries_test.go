package gossip_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// load reads all that another has, in parts of a size, and calls between after each,
// as long as there are more. The batches that it has seen meanwhile are what it has
// sealed and what between gives.
func load(t *testing.T, from *gossip.Values, size int, between func(entries []gossip.Entry) (applied []gossip.Batch)) *gossip.Values {
	t.Helper()
	from.Seal()
	since := from.Clock()
	staged := gossip.NewStaged(&since)
	var tail []gossip.Batch
	for next, more := "", true; more; more = next != "" {
		entries, after, err := from.Entries(next, size)
		must(t, err)
		must(t, staged.Load(entries))
		tail = append(tail, from.Seal()...)
		tail = append(tail, between(entries)...)
		next = after
	}
	for _, b := range append(tail, from.Seal()...) {
		if early, err := staged.Apply(&b); early || err != nil {
			t.Fatalf("applying %v: early %v, %v", b.At, early, err)
		}
	}
	return staged
}

// TestLargeValuesAreDivided, so that no part is larger than what cannot be divided.
func TestLargeValuesAreDivided(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	a, b := newReplica(1), newReplica(2)
	long := strings.Repeat("x", 4*size)
	for i := range 30 {
		text := fmt.Sprint(i) + long
		must(t, a.Open("set").Change(add(text)))
		must(t, a.Open("map").Change(&crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{
			{Key: fmt.Sprint(i), Delta: &crdt.Delta{Kind: crdt.KindORSet, Added: []string{text}}},
		}}))
		must(t, a.Open(fmt.Sprint("small", i)).Change(add("x")))
	}
	parts := 0
	staged := load(t, a, size, func(entries []gossip.Entry) []gossip.Batch {
		sum := 0
		for _, e := range entries {
			sum += len(e.Name) + len(e.State)
		}
		if sum > size+len(long)+100 {
			t.Errorf("a part has %d bytes", sum)
		}
		parts++
		return nil
	})
	must(t, b.Merge(staged))
	if dump(t, a) != dump(t, b) || parts < 60 {
		t.Errorf("they differ after %d parts", parts)
	}
}

// TestValueIsReplacedBetweenParts by one of a lower kind, or deleted.
func TestValueIsReplacedBetweenParts(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(c *gossip.Cell) error{
		"set": func(c *gossip.Cell) error {
			return c.Change(&crdt.Delta{Kind: crdt.KindGSet, Added: []string{"a", "c", "e", "z"}})
		},
		"empty set": func(c *gossip.Cell) error { return c.Change(&crdt.Delta{Kind: crdt.KindGSet}) },
		"counter":   func(c *gossip.Cell) error { _, err := c.Count(crdt.KindPNCounter, 3); return err },
		"deleted":   (*gossip.Cell).Delete,
	} {
		for at := range 5 {
			t.Run(fmt.Sprint(name, at), func(t *testing.T) {
				t.Parallel()
				a, b, other := newReplica(1), newReplica(2), newReplica(3)
				must(t, a.Open("v").Change(add("a", "b", "c", "d", "e")))
				must(t, replace(other.Open("v")))
				replaced := other.Seal()
				parts := 0
				staged := load(t, a, 1, func([]gossip.Entry) (applied []gossip.Batch) {
					if parts == at {
						for _, x := range replaced {
							_, err := a.Apply(&x)
							must(t, err)
						}
						applied = replaced
					}
					parts++
					return applied
				})
				must(t, b.Merge(staged))
				if was, is := dump(t, a), dump(t, b); was != is {
					t.Errorf("one has %s, another %s", was, is)
				}
			})
		}
	}
}

// TestMergeTakesOver what there is nothing of here, and tells those who wait for it.
func TestMergeTakesOver(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	for i := range 100 {
		must(t, a.Open(fmt.Sprint(i)).Change(add("x")))
	}
	must(t, a.Open("gone").Delete())
	waits := b.Open("7")
	changes, stop := waits.Watch()
	defer stop()
	never := b.Open("8")
	must(t, never.Read(func(v *crdt.Value, _ crdt.Electorate) {
		if v != nil {
			t.Error("it is there already")
		}
	}))
	must(t, b.Merge(load(t, a, 50, func([]gossip.Entry) []gossip.Batch { return nil })))
	select {
	case <-changes:
	default:
		t.Error("who waits is not told")
	}
	for _, c := range []*gossip.Cell{waits, never} {
		must(t, c.Read(func(v *crdt.Value, _ crdt.Electorate) {
			if v.Len() != 1 {
				t.Error("it has not come")
			}
		}))
		must(t, c.Change(add("y")))
	}
	pass(t, b, a)
	if was, is := dump(t, a), dump(t, b); was != is {
		t.Errorf("one has %s, another %s", was, is)
	}
	if values, deleted := b.Size(); values != 100 || deleted != 1 {
		t.Errorf("%d values and %d deleted ones", values, deleted)
	}
}

func FuzzCursor(f *testing.F) {
	a := newReplica(1)
	for i := range 20 {
		must(f, a.Open(fmt.Sprint(i)).Change(add("x", "y", "z")))
	}
	for next, more := "", true; more; more = next != "" {
		f.Add(next)
		_, after, err := a.Entries(next, 1)
		must(f, err)
		next = after
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		entries, next, err := a.Entries(cursor, 30)
		switch {
		case err != nil && !errors.Is(err, crdt.ErrMalformed):
			t.Fatal(err)
		case err == nil && next != "" && (len(entries) == 0 || next == cursor):
			t.Fatalf("after %q it goes on at %q with %d entries", cursor, next, len(entries))
		}
	})
}
