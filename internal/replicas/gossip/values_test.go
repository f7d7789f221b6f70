package gossip_test

import (
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

// dump is everything that is there, in canonical form; what is open is sealed.
func dump(t rapid.TB, v *gossip.Values) string {
	t.Helper()
	var all strings.Builder
	for next := ""; ; {
		entries, after, err := v.Entries(next, 300)
		must(t, err)
		all.WriteString(render(entries))
		if next = after; next == "" {
			return all.String()
		}
	}
}

func render(entries []gossip.Entry) string {
	var all strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&all, "%s %v %x\n", e.Name, e.Deleted, e.State)
	}
	return all.String()
}

// world is some replicas, and all the batches that they have sealed.
type world struct {
	*rapid.T
	replicas []*gossip.Values
	ids      map[*gossip.Values]crdt.ReplicaID
	last     crdt.ReplicaID
	sealed   []gossip.Batch    // no batch is before one that it has seen
	states   map[string]string // by clock
}

// begin gives a replica an ID that nobody has had.
func (w *world) begin(v *gossip.Values) {
	w.last++
	w.ids[v] = w.last
	v.Begin(w.last)
}

func (w *world) draw() *gossip.Values { return w.replicas[w.index("replica", len(w.replicas))] }

func (w *world) index(label string, n int) int { return rapid.IntRange(0, n-1).Draw(w.T, label) }

// settle takes what a replica has sealed, and finds that with the same clock it is
// as any other.
func (w *world) settle(v *gossip.Values) {
	w.Helper()
	w.sealed = append(w.sealed, v.Seal()...)
	clock, state := v.Clock(), dump(w, v)
	key := string(clock.Append(nil))
	if was, ok := w.states[key]; ok && was != state {
		w.Fatalf("after the same changes one was\n%sanother is\n%s", was, state)
	}
	w.states[key] = state
}

func (w *world) change(v *gossip.Values) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h"}).Draw(w.T, "name")
	kind := crdt.Kind(name[0]-'a') + 1
	if rapid.IntRange(0, 15).Draw(w.T, "odd") == 0 {
		kind = w.kind()
	}
	if rapid.IntRange(0, 99).Draw(w.T, "delete") == 0 {
		must(w, v.Open(name).Delete())
		return
	}
	err := v.Open(name).Change(w.delta(kind, 0))
	if err != nil && !errors.Is(err, crdt.ErrKind) && !errors.Is(err, crdt.ErrDeleted) && !errors.Is(err, crdt.ErrIllegal) {
		w.Fatal(err)
	}
}

func (w *world) kind() crdt.Kind {
	return crdt.Kind(rapid.Uint8Range(uint8(crdt.KindGCounter), uint8(crdt.KindVote)).Draw(w.T, "kind"))
}

func (w *world) delta(kind crdt.Kind, depth int) *crdt.Delta {
	d := &crdt.Delta{Kind: kind, Enabled: true}
	elems := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2)
	switch kind {
	case crdt.KindGCounter:
		d.Increment = rapid.Uint64Range(0, 5).Draw(w.T, "increment")
	case crdt.KindPNCounter:
		d.Change = rapid.Int64Range(-5, 5).Draw(w.T, "change")
	case crdt.KindGSet:
		d.Added = elems.Draw(w.T, "added")
	case crdt.KindRegister:
		d.Value = rapid.SampledFrom([]string{"v", "w"}).Draw(w.T, "value")
		d.Clock = crdt.RegisterClock(rapid.Uint8Range(0, 3).Draw(w.T, "clock"))
		d.Custom = rapid.Int64Range(0, 3).Draw(w.T, "custom")
	case crdt.KindORSet, crdt.KindORMap:
		d.Cleared = rapid.IntRange(0, 7).Draw(w.T, "cleared") == 0
		d.Removed = elems.Draw(w.T, "removed")
		if kind == crdt.KindORSet {
			d.Added = elems.Draw(w.T, "added")
			break
		}
		if depth < 2 {
			for _, key := range elems.Draw(w.T, "keys") {
				d.Inserted = append(d.Inserted, crdt.Entry{Key: key, Delta: w.delta(w.kind(), depth+1)})
			}
		}
	case crdt.KindVote:
		d.Self = rapid.Bool().Draw(w.T, "self")
	}
	return d
}

// transfer gives all that one has to another, while it goes on. It starts again when
// a replica was removed meanwhile.
func (w *world) transfer(from, to *gossip.Values) {
	for !w.tryTransfer(from, to) {
	}
}

func (w *world) tryTransfer(from, to *gossip.Values) (done bool) {
	since := from.Clock()
	staged := gossip.NewStaged(&since)
	for next := ""; ; {
		entries, after, err := from.Entries(next, rapid.IntRange(0, 60).Draw(w.T, "size"))
		must(w, err)
		must(w, staged.Load(entries))
		if next = after; next == "" {
			break
		}
		w.change(from)
		if rapid.Bool().Draw(w.T, "receives") && len(w.sealed) > 0 {
			w.receive(from)
		}
	}
	w.settle(from)
	has := from.Clock()
	for id := range since.All() {
		if has.Forgotten(id) {
			return false // some entries were read before it and some after
		}
	}
	for _, b := range w.sealed {
		if has.Covers(b.At) && !since.Covers(b.At) {
			if w.apply(staged, &b) {
				w.Fatalf("%v is early for what is staged", b.At)
			}
		}
	}
	to.Learn(&has)
	has = to.Clock()
	staged.Learn(&has)
	w.settle(staged)
	must(w, to.Merge(staged))
	w.settle(to)
	return true
}

func (w *world) receive(v *gossip.Values) {
	w.apply(v, &w.sealed[w.index("batch", len(w.sealed))])
}

func (w *world) apply(v *gossip.Values, b *gossip.Batch) (early bool) {
	w.Helper()
	v.Learn(&b.Seen)
	early, err := v.Apply(b)
	must(w, err)
	return early
}

// catchUp applies all that there is.
func (w *world) catchUp() {
	var all crdt.Clock
	for _, v := range w.replicas {
		w.settle(v)
		clock := v.Clock()
		all.Learn(&clock)
	}
	for _, v := range w.replicas {
		v.Learn(&all)
		for _, b := range w.sealed {
			if w.apply(v, &b) {
				w.Fatalf("in the end %v is early", b.At)
			}
		}
	}
}

// TestAllBecomeEqual: whatever comes in whatever order.
func TestAllBecomeEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{T: t, ids: map[*gossip.Values]crdt.ReplicaID{}, states: map[string]string{}}
		for range rapid.IntRange(2, 4).Draw(t, "replicas") {
			v := gossip.NewValues(func() int64 { return rapid.Int64Range(0, 3).Draw(t, "now") })
			w.begin(v)
			w.replicas = append(w.replicas, v)
		}
		t.Repeat(map[string]func(*rapid.T){
			"change":  func(*rapid.T) { w.change(w.draw()) },
			"change2": func(*rapid.T) { w.change(w.draw()) },
			"change3": func(*rapid.T) { w.change(w.draw()) },
			"settle":  func(*rapid.T) { w.settle(w.draw()) },
			"receive": func(t *rapid.T) {
				if len(w.sealed) == 0 {
					t.Skip("nothing is sealed")
				}
				v := w.draw()
				w.receive(v)
				w.settle(v)
			},
			"catch up": func(*rapid.T) {
				v := w.draw()
				for _, b := range w.sealed {
					w.apply(v, &b)
				}
				w.settle(v)
			},
			"transfer": func(*rapid.T) { w.transfer(w.draw(), w.draw()) },
			"restart": func(*rapid.T) {
				from := w.draw()
				w.settle(from)
				i := w.index("who", len(w.replicas))
				if w.replicas[i] == from {
					t.Skip("nobody gives it a state")
				}
				v := w.replicas[i]
				v.Reset()
				if rapid.Bool().Draw(t, "begins first") {
					w.begin(v)
					w.transfer(from, v)
				} else {
					w.transfer(from, v)
					w.begin(v)
				}
			},
			"remove": func(t *rapid.T) {
				if len(w.replicas) < 3 {
					t.Skip("two are left")
				}
				w.catchUp()
				gone := w.index("who", len(w.replicas))
				id := w.ids[w.replicas[gone]]
				w.replicas = slices.Delete(w.replicas, gone, gone+1)
				var clock crdt.Clock
				for _, v := range w.replicas {
					clock.See(crdt.Dot{Replica: w.ids[v]})
				}
				clock.Forget(id)
				for _, v := range w.replicas[w.index("who hears of it later", len(w.replicas)):] {
					v.Learn(&clock)
				}
				clear(w.states)
			},
		})
		w.catchUp()
		for _, v := range w.replicas {
			if was, is := dump(t, w.replicas[0]), dump(t, v); was != is {
				t.Fatalf("the first has\n%sanother has\n%s", was, is)
			}
		}
	})
}

// TestNothingFallsBetweenBatches: changes are made while batches are sealed, sent,
// and read for another.
func TestNothingFallsBetweenBatches(t *testing.T) {
	t.Parallel()
	const rounds, changers = 400, 3
	a, b := newReplica(1), newReplica(2)
	var late []gossip.Batch // for a third
	since := crdt.Clock{}
	staged := gossip.NewStaged(&since)

	var changing sync.WaitGroup
	for _, v := range []*gossip.Values{a, b} {
		for i := range changers {
			changing.Go(func() {
				counter, set := v.Open("n"), v.Open("s")
				for n := range rounds {
					if _, err := counter.Count(crdt.KindPNCounter, 1); err != nil {
						t.Error(err)
					}
					d := add(fmt.Sprint(i, n))
					if i == 0 && n > 0 { // removes what it has added
						d.Removed = []string{fmt.Sprint(i, n-1)}
					}
					if err := set.Change(d); err != nil {
						t.Error(err)
					}
					_ = total(t, counter)
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { changing.Wait(); close(done) }()
	exchange := func() {
		for _, x := range [...][2]*gossip.Values{{a, b}, {b, a}} {
			for _, s := range x[0].Seal() {
				late = append(late, s)
				if early, err := x[1].Apply(&s); early || err != nil {
					t.Errorf("applying %v: early %v, %v", s.At, early, err)
				}
			}
		}
	}
	for changes := true; changes; {
		select {
		case <-done:
			changes = false
		default:
			exchange()
			entries, _, err := a.Entries("", 1<<20)
			must(t, err)
			must(t, staged.Load(entries))
		}
	}
	for range 3 {
		exchange()
	}
	for _, s := range late {
		if early, err := staged.Apply(&s); early || err != nil {
			t.Fatalf("applying %v to what is staged: early %v, %v", s.At, early, err)
		}
	}
	c := newReplica(3)
	must(t, c.Merge(staged))
	if dump(t, a) != dump(t, b) || dump(t, a) != dump(t, c) {
		t.Error("they differ")
	}
	if n := total(t, c.Open("n")); n != 2*rounds*changers {
		t.Errorf("of %d counts %d are there", 2*rounds*changers, n)
	}
	must(t, c.Open("s").Read(func(v *crdt.Value, _ crdt.Electorate) {
		if n := v.Len(); n != rounds*(changers-1)+1 {
			t.Errorf("%d elements are left", n)
		}
	}))
}
