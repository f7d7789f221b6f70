package gossip_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// newReplica has begun.
func newReplica(id crdt.ReplicaID) *gossip.Values {
	v := gossip.NewValues(func() int64 { return 1000 })
	v.Begin(id)
	return v
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(elems ...string) *crdt.Delta { return &crdt.Delta{Kind: crdt.KindORSet, Added: elems} }

// total reads a counter.
func total(t rapid.TB, c *gossip.Cell) (n int64) {
	t.Helper()
	must(t, c.Read(func(v *crdt.Value, e crdt.Electorate) {
		if v != nil {
			n = v.View(e).Count
		}
	}))
	return n
}

// told reports whether a watcher has been told since it last looked.
func told(changes <-chan struct{}) bool {
	select {
	case <-changes:
		return true
	default:
		return false
	}
}

// pass brings all of one replica's batches since the last time to others.
func pass(t rapid.TB, from *gossip.Values, to ...*gossip.Values) {
	t.Helper()
	for _, b := range from.Seal() {
		for _, v := range to {
			early, err := v.Apply(&b)
			if early || err != nil {
				t.Fatalf("applying %v: early %v, %v", b.At, early, err)
			}
		}
	}
}

func TestChangesTravel(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	for range 3 {
		if _, err := a.Open("n").Count(crdt.KindPNCounter, 2); err != nil {
			t.Fatal(err)
		}
	}
	if seq, open := a.Next(); seq != 1 || !open {
		t.Errorf("the open batch is %d, with something in it %v", seq, open)
	}
	pass(t, a, b)
	if seq, open := a.Next(); seq != 2 || open {
		t.Errorf("after sealing the open batch is %d, with something in it %v", seq, open)
	}
	if n, err := b.Open("n").Count(crdt.KindPNCounter, -1); n != 5 || err != nil {
		t.Errorf("the other has %d, %v", n, err)
	}
	pass(t, b, a)
	if n := total(t, a.Open("n")); n != 5 {
		t.Errorf("the first has %d", n)
	}
	if sealed := a.Seal(); len(sealed) != 0 {
		t.Errorf("nothing has changed, and %d batches are sealed", len(sealed))
	}
}

func TestBatchesAreAppliedInCausalOrder(t *testing.T) {
	t.Parallel()
	a, b, c := newReplica(1), newReplica(2), newReplica(3)
	must(t, a.Open("s").Change(add("x")))
	first := a.Seal()[0]
	if _, err := b.Apply(&first); err != nil {
		t.Fatal(err)
	}
	must(t, b.Open("s").Change(&crdt.Delta{Kind: crdt.KindORSet, Removed: []string{"x"}}))
	second := b.Seal()[0]
	must(t, a.Open("s").Change(add("y")))
	third := a.Seal()[0]
	for _, early := range []gossip.Batch{second, third} {
		if early, err := c.Apply(&early); !early || err != nil {
			t.Errorf("applied before what it has seen: %v", err)
		}
	}
	for _, b := range []gossip.Batch{first, second, third, first} {
		if early, err := c.Apply(&b); early || err != nil {
			t.Errorf("batch %v: early %v, %v", b.At, early, err)
		}
	}
	stranger := gossip.Batch{At: crdt.Dot{Replica: 3, Seq: 9}}
	if _, err := c.Apply(&stranger); err == nil {
		t.Error("a replica has taken a batch that it is said to have made")
	}
}

// TestApplySealsFirst: what is changed before a batch comes has not seen it.
func TestApplySealsFirst(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	must(t, a.Open("s").Change(add("x")))
	must(t, b.Open("t").Change(add("y")))
	pass(t, b, a)
	must(t, a.Open("s").Change(add("z")))
	sealed := a.Seal()
	if len(sealed) != 2 || sealed[0].Seen.Seen(2) != 0 || sealed[1].Seen.Seen(2) != 1 {
		t.Errorf("sealed: %v", sealed)
	}
}

// TestMergeSealsFirst, for the same reason.
func TestMergeSealsFirst(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	must(t, b.Open("s").Change(add("x", "y")))
	pass(t, b, a)
	must(t, b.Open("s").Change(add("x")))
	b.Seal()
	clock := b.Clock()
	staged := gossip.NewStaged(&clock)
	entries, _, err := b.Entries("", 1<<20)
	must(t, err)
	must(t, staged.Load(entries))
	must(t, a.Open("s").Change(&crdt.Delta{Kind: crdt.KindORSet, Removed: []string{"x"}}))
	must(t, a.Merge(staged))
	sealed := a.Seal()
	if len(sealed) != 1 || sealed[0].Seen.Seen(2) != 1 {
		t.Errorf("sealed: %v", sealed)
	}
	if _, err := b.Apply(&sealed[0]); err != nil {
		t.Fatal(err)
	}
	if was, is := dump(t, a), dump(t, b); was != is {
		t.Errorf("one has %s, another %s", was, is)
	}
}

func TestCellRefuses(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	must(t, a.Open("s").Change(add("x")))
	must(t, a.Open("gone").Delete())
	a.Seal()
	before, _, _ := a.Entries("", 1<<20)
	for _, c := range []struct {
		name  string
		delta *crdt.Delta
		want  error
	}{
		{"s", &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}, crdt.ErrKind},
		{"gone", add("x"), crdt.ErrDeleted},
		{"new", &crdt.Delta{}, crdt.ErrIllegal},
		{"new", nil, crdt.ErrIllegal},
		{"new", &crdt.Delta{Kind: crdt.KindGCounter, Increment: 1 << 63}, crdt.ErrIllegal},
		{"", add("x"), crdt.ErrIllegal},
		{strings.Repeat("n", gossip.MaxName+1), add("x"), crdt.ErrIllegal},
		{"new", add(slices.Repeat([]string{strings.Repeat("x", crdt.MaxElement)}, gossip.MaxChange/crdt.MaxElement)...), crdt.ErrIllegal},
		{"new", add(strings.Repeat("x", crdt.MaxElement+1)), crdt.ErrIllegal},
	} {
		if err := a.Open(c.name).Change(c.delta); !errors.Is(err, c.want) {
			t.Errorf("change of %.8q: %v, not %v", c.name, err, c.want)
		}
	}
	if _, err := a.Open("s").Count(crdt.KindGCounter, 1); !errors.Is(err, crdt.ErrKind) {
		t.Errorf("counting a set: %v", err)
	}
	if _, open := a.Next(); open {
		t.Error("what was refused is in the open batch")
	}
	after, _, _ := a.Entries("", 1<<20)
	if render(after) != render(before) || a.Slots() != 2 {
		t.Errorf("%d names are kept, with %s", a.Slots(), render(after))
	}
}

func TestBeforeBegin(t *testing.T) {
	t.Parallel()
	v := gossip.NewValues(func() int64 { return 0 })
	c := v.Open("s")
	if err := c.Change(add("x")); !errors.Is(err, gossip.ErrNotBegun) {
		t.Errorf("before Begin: %v", err)
	}
	v.Begin(1)
	must(t, c.Change(add("x")))
	v.Reset()
	if err := c.Change(add("x")); !errors.Is(err, gossip.ErrNotBegun) {
		t.Errorf("after Reset: %v", err)
	}
	if values, deleted := v.Size(); values != 0 || deleted != 0 || v.Slots() != 0 {
		t.Errorf("after Reset there are %d values, %d deleted ones", values, deleted)
	}
	v.Begin(2)
	must(t, c.Change(add("x")))
	if b := v.Seal(); len(b) != 1 || b[0].At != (crdt.Dot{Replica: 2, Seq: 1}) {
		t.Errorf("the first batch of the second life: %v", b)
	}
}

// After the end nothing changes any more, and what has is in sealed batches, also that
// of a cell which was dirty.
func TestEnd(t *testing.T) {
	t.Parallel()
	v := gossip.NewValues(func() int64 { return 0 })
	v.Begin(1)
	c, other := v.Open("s"), v.Open("t")
	must(t, c.Change(add("x")))
	v.End()
	for _, c := range []*gossip.Cell{c, other} {
		if err := c.Change(add("y")); !errors.Is(err, gossip.ErrEnded) {
			t.Errorf("a change: %v", err)
		}
		if err := c.Delete(); !errors.Is(err, gossip.ErrEnded) {
			t.Errorf("to delete: %v", err)
		}
	}
	if _, open := v.Next(); open {
		t.Error("something is open")
	}
	if b := v.Seal(); len(b) != 1 || b[0].At != (crdt.Dot{Replica: 1, Seq: 1}) {
		t.Errorf("sealed are %v", b)
	}
}

func TestDeleted(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	must(t, a.Open("s").Change(add("x")))
	pass(t, a, b)
	must(t, a.Open("s").Delete())
	must(t, a.Open("s").Delete())
	must(t, b.Open("s").Change(add("y")))
	changes, stop := b.Open("s").Watch()
	defer stop()
	pass(t, a, b)
	pass(t, b, a)
	for _, v := range []*gossip.Values{a, b} {
		c := v.Open("s")
		if err := c.Change(add("x")); !c.Deleted() || !errors.Is(err, crdt.ErrDeleted) {
			t.Errorf("a change of what is deleted: %v", err)
		}
		if values, deleted := v.Size(); values != 0 || deleted != 1 {
			t.Errorf("%d values, %d deleted ones", values, deleted)
		}
	}
	if !told(changes) {
		t.Error("who watches is not told")
	}
}

// TestLowerKindWins: whoever comes first.
func TestLowerKindWins(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	if _, err := a.Open("x").Count(crdt.KindPNCounter, 7); err != nil {
		t.Fatal(err)
	}
	must(t, b.Open("x").Change(add("x")))
	changes, stop := b.Open("x").Watch()
	defer stop()
	fromA, fromB := a.Seal(), b.Seal()
	if _, err := a.Apply(&fromB[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Apply(&fromA[0]); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*gossip.Values{a, b} {
		if n := total(t, v.Open("x")); n != 7 {
			t.Errorf("%d is counted", n)
		}
	}
	if !told(changes) {
		t.Error("who watches is not told")
	}
	if err := b.Open("x").Change(add("y")); !errors.Is(err, crdt.ErrKind) {
		t.Errorf("a change of the losing kind: %v", err)
	}
}

// TestEmptyValueTravels: its kind is known elsewhere.
func TestEmptyValueTravels(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	must(t, a.Open("s").Change(&crdt.Delta{Kind: crdt.KindORSet, Removed: []string{"x"}}))
	pass(t, a, b)
	if err := b.Open("s").Change(&crdt.Delta{Kind: crdt.KindFlag, Enabled: true}); !errors.Is(err, crdt.ErrKind) {
		t.Errorf("another kind at once: %v", err)
	}
	must(t, b.Open("s").Change(&crdt.Delta{Kind: crdt.KindORSet, Removed: []string{"x"}}))
	if sealed := b.Seal(); len(sealed) != 0 {
		t.Errorf("a change that changes nothing is sent: %v", sealed)
	}
}

// A change that is done grows the revision by one, and so does what others do.
func TestRevision(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	c := a.Open("s")
	if got := c.Revision(); got != 0 {
		t.Errorf("nothing has the revision %d", got)
	}
	_, stop := c.Watch()
	defer stop()
	grows := func(by uint32, what string, does func()) {
		t.Helper()
		before := c.Revision()
		if does(); c.Revision() != before+by {
			t.Errorf("%s: from %d to %d", what, before, c.Revision())
		}
	}
	vote := func(d *crdt.Delta) func() { return func() { must(t, c.Change(d)) } }
	grows(1, "a change", vote(&crdt.Delta{Kind: crdt.KindVote, Self: true}))
	grows(1, "a change of nothing", vote(&crdt.Delta{Kind: crdt.KindVote, Self: true}))
	a.Seal()
	grows(1, "a change of nothing in a new batch", vote(&crdt.Delta{Kind: crdt.KindVote, Self: true}))
	grows(0, "a change that fails", func() {
		if err := c.Change(add("x")); err == nil {
			t.Error("a vote has an element")
		}
	})
	grows(1, "other members", func() { a.Elect([]crdt.ReplicaID{1, 2}) })
	must(t, b.Open("s").Change(&crdt.Delta{Kind: crdt.KindVote, Self: true}))
	grows(1, "another's change", func() { pass(t, b, a) })
	must(t, c.Delete())
	grows(0, "a change of what is deleted", func() { _ = c.Change(&crdt.Delta{Kind: crdt.KindVote}) })
}

func TestWatch(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	c := a.Open("s")
	one, stopOne := c.Watch()
	two, stopTwo := a.Open("s").Watch()
	if told(one) || told(two) {
		t.Error("told of nothing")
	}
	must(t, c.Change(add("x")))
	must(t, c.Change(add("y")))
	if !told(one) || told(one) || !told(two) {
		t.Error("two changes are told once")
	}
	must(t, b.Open("s").Change(add("z")))
	stopTwo()
	stopTwo()
	pass(t, b, a)
	if !told(one) || told(two) {
		t.Error("of a change from elsewhere those are told who still watch")
	}
	a.Reset()
	if !told(one) {
		t.Error("not told of a reset")
	}
	a.Begin(3)
	must(t, c.Change(add("x")))
	if !told(one) {
		t.Error("not told in the second life")
	}
	stopOne()
}

// TestElect tells who watches votes, those in maps too.
func TestElect(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	vote := &crdt.Delta{Kind: crdt.KindVote, Self: true}
	must(t, a.Open("v").Change(vote))
	must(t, a.Open("m").Change(&crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "v", Delta: vote}}}))
	must(t, a.Open("s").Change(add("x")))
	watch := map[string]<-chan struct{}{}
	for _, name := range []string{"v", "m", "s", "none yet"} {
		changes, stop := a.Open(name).Watch()
		defer stop()
		watch[name] = changes
	}
	a.Elect([]crdt.ReplicaID{1, 2})
	if !told(watch["v"]) || !told(watch["m"]) || !told(watch["none yet"]) || told(watch["s"]) {
		t.Error("an election is told to who watches votes and maps")
	}
	must(t, a.Open("v").Read(func(v *crdt.Value, e crdt.Electorate) {
		if w := v.View(e); w.For != 1 || w.Voters != 2 || !w.Self {
			t.Errorf("%d of %d votes", w.For, w.Voters)
		}
	}))
}

// replica is a cell that nobody waits for.
type replica struct{ *gossip.Cell }

func (replica) Wait(context.Context, crdt.Consistency) error { return nil }
func (replica) Refresh(context.Context) error                { return nil }

// TestCountersByHandle: they are read and changed without an allocation.
func TestCountersByHandle(t *testing.T) {
	a := newReplica(1)
	c := crdt.PNCounter{}.On(replica{a.Open("c")})
	if n, err := c.Value(); n != 0 || err != nil {
		t.Errorf("%d, %v before there is one", n, err)
	}
	for _, want := range []int64{2, 4} {
		if n, err := c.Add(2); n != want || err != nil {
			t.Errorf("%d, %v, want %d", n, err, want)
		}
	}
	if n, err := c.Value(); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := (crdt.GCounter{}).On(replica{a.Open("c")}).Value(); !errors.Is(err, crdt.ErrKind) {
		t.Errorf("got %v", err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Add(1); _, _ = c.Value() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	must(t, a.Open("c").Delete())
	if _, err := c.Value(); !errors.Is(err, crdt.ErrDeleted) {
		t.Errorf("got %v", err)
	}
}

// TestLookingLeavesNothing: who asks for many names does not fill the memory.
func TestLookingLeavesNothing(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	c := a.Open("s")
	for range 2 {
		if c.Deleted() || total(t, c) != 0 {
			t.Error("there is a value")
		}
		changes, stop := c.Watch()
		stop()
		if told(changes) || c.Change(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1 << 63}) == nil {
			t.Error("it has changed")
		}
	}
	if n := a.Slots(); n != 0 {
		t.Errorf("%d names are kept", n)
	}
	_, stop := c.Watch()
	stop()
	must(t, a.Open("s").Change(add("x")))
	stop() // of what is gone, not of what has the name now
	if values, _ := a.Size(); values != 1 || a.Slots() != 1 {
		t.Errorf("%d values, %d names", values, a.Slots())
	}
}

// TestChangedTellsWhoSeals, once for a batch.
func TestChangedTellsWhoSeals(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	for range 2 {
		must(t, a.Open("s").Change(add("x")))
		must(t, a.Open("t").Change(add("x")))
		if !told(a.Changed()) || told(a.Changed()) {
			t.Error("a batch that is open is told once")
		}
		a.Seal()
	}
}

// TestBatchesStaySmall: what changes while nobody seals is divided.
func TestBatchesStaySmall(t *testing.T) {
	t.Parallel()
	a, b := newReplica(1), newReplica(2)
	for i := range 100 {
		must(t, a.Open("s").Change(add(strings.Repeat(string(rune('a'+i%26)), 100<<10+i))))
	}
	sealed := a.Seal()
	if len(sealed) < 5 {
		t.Errorf("10 MB are in %d batches", len(sealed))
	}
	for _, s := range sealed {
		if len(s.Body) > 2<<20 {
			t.Errorf("a batch has %d bytes", len(s.Body))
		}
		if _, err := b.Apply(&s); err != nil {
			t.Fatal(err)
		}
	}
	if dump(t, a) != dump(t, b) {
		t.Error("they differ")
	}
}

// TestNothingDoesNotFillABatch: what changes nothing takes no room.
func TestNothingDoesNotFillABatch(t *testing.T) {
	t.Parallel()
	c := newReplica(1).Open("s")
	must(t, c.Change(&crdt.Delta{Kind: crdt.KindGSet, Added: []string{"x"}}))
	nothing := &crdt.Delta{Kind: crdt.KindGSet, Added: slices.Repeat([]string{"x"}, 100_000)}
	for range 50 {
		must(t, c.Change(nothing))
	}
	wrong := &crdt.Delta{Kind: crdt.KindORSet, Added: nothing.Added}
	for range 50 {
		if err := c.Change(wrong); !errors.Is(err, crdt.ErrKind) {
			t.Fatal(err)
		}
	}
}

// TestBatchesFitAMessage, whoever changes much at the same time.
func TestBatchesFitAMessage(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	var all []string // that one change can have
	for i := range gossip.MaxChange/crdt.MaxElement - 1 {
		all = append(all, fmt.Sprint(i)+strings.Repeat("x", crdt.MaxElement-1))
	}
	var changing sync.WaitGroup
	for i := range 8 {
		changing.Go(func() {
			if err := a.Open(fmt.Sprint(i)).Change(add(all...)); err != nil {
				t.Error(err)
			}
		})
	}
	changing.Wait()
	for _, s := range a.Seal() {
		if len(s.Body) > 12<<20 {
			t.Errorf("a batch has %d bytes", len(s.Body))
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	must(t, a.Open("s").Change(add("x")))
	before := dump(t, a)
	var clock crdt.Clock
	clock.See(crdt.Dot{Replica: 1, Seq: 2})
	if err := a.Merge(gossip.NewStaged(&clock)); err == nil {
		t.Error("a state has batches of this replica that it has not made")
	}
	staged := gossip.NewStaged(&clock)
	good := gossip.Entry{Name: "gone", Deleted: true}
	for _, bad := range []gossip.Entry{{}, {Name: "s"}, {Name: "s", State: []byte("nonsense")}, {Name: strings.Repeat("n", gossip.MaxName+1), Deleted: true}} {
		if err := staged.Load([]gossip.Entry{good, bad}); !errors.Is(err, crdt.ErrMalformed) || staged.Slots() != 0 {
			t.Errorf("loading %.20v: %v, and %d names are there", bad, err, staged.Slots())
		}
	}
	if err := a.Load([]gossip.Entry{good}); err == nil || dump(t, a) != before {
		t.Errorf("entries were loaded into values that are in use: %v", err)
	}
}

// TestEntriesComeOnce, in whatever parts, while others are added.
func TestEntriesComeOnce(t *testing.T) {
	t.Parallel()
	a := newReplica(1)
	const values = 3000
	for i := range values {
		must(t, a.Open(fmt.Sprint("old", i)).Change(add("x")))
	}
	seen, parts := map[string]int{}, 0
	for next := ""; ; parts++ {
		entries, after, err := a.Entries(next, 1000)
		must(t, err)
		for _, e := range entries {
			seen[e.Name]++
		}
		if next = after; next == "" {
			break
		}
		must(t, a.Open(fmt.Sprint("new", parts)).Change(add("x")))
	}
	for i := range values {
		if name := fmt.Sprint("old", i); seen[name] != 1 {
			t.Errorf("%s has come %d times", name, seen[name])
		}
	}
	if parts < 10 {
		t.Errorf("all came in %d parts", parts)
	}
	for _, cursor := range []string{"x", "\xff\xffx"} {
		if _, _, err := a.Entries(cursor, 1); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("a cursor that was made up: %v", err)
		}
	}
}
