package crdt_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
)

// world is a few replicas of one value. Batches reach them in any order that their
// causes allow.
type world struct {
	*rapid.T
	kind    crdt.Kind
	draws   draws
	now     int64
	ref     reference
	nodes   []*node
	batches []batch // in an order that their causes allow
	dead    *node   // makes no changes any more
	stable  map[*node]uint64
}

type node struct {
	id        crdt.ReplicaID
	value     *crdt.Value
	clock     crdt.Clock
	sight     sight
	folded    bool
	forgotten bool
}

type batch struct {
	at     crdt.Dot
	seen   crdt.Clock
	effect []byte
	sight  sight
}

func newWorld(t *rapid.T, kind crdt.Kind) *world {
	w := &world{T: t, kind: kind, now: 10}
	w.draws = draws{wild: true, times: true, wide: rapid.IntRange(0, 9).Draw(t, "wide") == 0}
	for i := range rapid.IntRange(2, 4).Draw(t, "replicas") {
		w.nodes = append(w.nodes, &node{id: crdt.ReplicaID(i + 1), value: crdt.NewValue(kind), sight: sight{}})
	}
	for _, n := range w.nodes {
		for _, m := range w.nodes {
			n.clock.See(crdt.Dot{Replica: m.id})
		}
	}
	return w
}

// any is one that lives.
func (w *world) any(label string) *node {
	live := slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n == w.dead })
	return live[rapid.IntRange(0, len(live)-1).Draw(w.T, label)]
}

func (n *node) next() crdt.Dot { return crdt.Dot{Replica: n.id, Seq: n.clock.Seen(n.id) + 1} }

func (w *world) electorate(n *node) crdt.Electorate {
	e := crdt.Electorate{Self: n.id}
	for _, m := range w.nodes {
		if m != w.dead {
			e.Members = append(e.Members, m.id)
		}
	}
	return e
}

// encoding is a value's, which must be the one that is read from it.
func (w *world) encoding(v *crdt.Value) []byte {
	w.Helper()
	b, err := v.AppendBinary(nil)
	if err != nil {
		w.Fatal(err)
	}
	copied, err := crdt.ParseValue(b)
	if err != nil {
		w.Fatalf("ParseValue of %q: %v", b, err)
	}
	if again, _ := copied.AppendBinary(nil); !bytes.Equal(again, b) {
		w.Fatalf("%q is read as %q", b, again)
	}
	return b
}

func (w *world) copy(v *crdt.Value) *crdt.Value {
	c, err := crdt.ParseValue(w.encoding(v))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// change changes a node's copy, and nothing if the delta is not possible.
func (w *world) change() {
	n := w.any("changes")
	d := w.draws.delta(w.T, w.kind, 2)
	w.now += rapid.Int64Range(-2, 2).Draw(w.T, "time")
	before, pending := w.encoding(n.value), n.value.Pending()
	view := n.value.View(crdt.Electorate{Self: n.id, Members: []crdt.ReplicaID{n.id}})
	err := w.try(n, d)
	if can := possible(view, d); can != (err == nil) {
		w.Fatalf("%v over %s: %v, possible: %v", d, show(view), err, can)
	}
	if err != nil {
		if after := w.encoding(n.value); !bytes.Equal(before, after) || pending != n.value.Pending() {
			w.Fatalf("the value has changed from %q to %q in spite of %v", before, after, err)
		}
		return
	}
	changed := w.ref.change(n.id, n.sight, w.now, nil, d)
	if n.value.Pending() != (pending || changed) {
		w.Fatalf("pending after %v: %v", d, n.value.Pending())
	}
	w.check(n)
}

// try makes a change, of a counter by Count as well.
func (w *world) try(n *node, d *crdt.Delta) error {
	by := d.Change
	switch {
	case d.Kind == crdt.KindGCounter && d.Increment < 1<<63:
		by = int64(d.Increment)
	case d.Kind != crdt.KindPNCounter:
		return n.value.Change(n.next(), w.now, d)
	}
	if rapid.Bool().Draw(w.T, "by delta") {
		return n.value.Change(n.next(), w.now, d)
	}
	total, err := n.value.Count(n.next(), by)
	if err == nil && total != n.value.Total() {
		w.Fatalf("Count gives %d, it is %d", total, n.value.Total())
	}
	return err
}

func (w *world) check(n *node) {
	w.Helper()
	e := w.electorate(n)
	got, want := n.value.View(e), w.ref.view(n.sight, nil, w.kind, e)
	if !reflect.DeepEqual(got, want) {
		w.Fatalf("replica %d sees %s, should see %s", n.id, show(got), show(want))
	}
}

func show(v *crdt.View) string {
	if v.Kind != crdt.KindORMap {
		return fmt.Sprintf("%+v", *v)
	}
	s := "{"
	for key, v := range v.Entries {
		s += fmt.Sprintf("%q: %s ", key, show(v))
	}
	return s + "}"
}

// seal ends a node's open batch.
func (w *world) seal(n *node) {
	if !n.value.Pending() {
		return
	}
	b := batch{at: n.next(), seen: n.clock.Clone(), effect: n.value.AppendEffect(nil, n.next()), sight: n.sight.copy()}
	n.clock.See(b.at)
	if n.value.Pending() {
		w.Fatal("pending after its effect was made")
	}
	w.batches = append(w.batches, b)
}

// ready reports whether a batch is the next one that a node can apply.
func (n *node) ready(b *batch) bool {
	seen := b.seen.Clone()
	seen.See(crdt.Dot{Replica: b.at.Replica, Seq: b.at.Seq - 1})
	return !n.clock.Covers(b.at) && n.clock.Includes(&seen)
}

func (w *world) deliver() {
	n := w.any("gets")
	if i := w.nextOf(n); i >= 0 {
		w.apply(n, &w.batches[i])
	}
}

func (w *world) nextOf(n *node) int {
	var ready []int
	for i := range w.batches {
		if n.ready(&w.batches[i]) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		return -1
	}
	return rapid.SampledFrom(ready).Draw(w.T, "batch")
}

func (w *world) apply(n *node, b *batch) {
	w.seal(n)
	before := w.encoding(n.value)
	if _, err := n.value.Apply(b.at, &b.seen, b.effect[:rapid.IntRange(0, len(b.effect)-1).Draw(w.T, "cut")]); err == nil {
		w.Fatal("half an effect was applied")
	}
	changed, err := n.value.Apply(b.at, &b.seen, b.effect)
	if err != nil {
		w.Fatal(err)
	}
	if after := w.encoding(n.value); changed != !bytes.Equal(before, after) {
		w.Fatalf("Apply of %q to %q gives %q and says %v", b.effect, before, after, changed)
	}
	n.clock.See(b.at)
	n.sight.add(b.sight)
	w.check(n)
	w.mark()
}

// merge gives a node all that another one has.
func (w *world) merge() {
	to, from := w.any("to"), w.any("from")
	w.seal(to)
	w.seal(from)
	w.takes(to, from)
	w.check(to)
	w.mark()
}

func (w *world) takes(to, from *node) {
	before, other := w.encoding(to.value), w.copy(from.value)
	if to.folded != from.folded {
		if to.folded = true; from.folded {
			to.value.Fold(w.dead.id)
			before = w.encoding(to.value)
		} else {
			other.Fold(w.dead.id)
		}
	}
	changed, err := to.value.Merge(&to.clock, other, &from.clock)
	if err != nil {
		w.Fatal(err)
	}
	if after := w.encoding(to.value); changed != !bytes.Equal(before, after) {
		w.Fatalf("Merge of %q into %q gives %q and says %v", w.encoding(from.value), before, after, changed)
	}
	to.clock.Merge(&from.clock)
	to.forgotten = to.forgotten || from.forgotten
	to.sight.add(from.sight)
}

// replay applies again some of the batches that a node has seen, as it happens after
// a restart from a store.
func (w *world) replay() {
	n := w.any("replays")
	w.seal(n)
	v := w.copy(n.value)
	for _, b := range w.batches[rapid.IntRange(0, len(w.batches)).Draw(w.T, "from"):] {
		if n.clock.Covers(b.at) && (w.dead == nil || !n.folded) {
			if _, err := v.Apply(b.at, &b.seen, b.effect); err != nil {
				w.Fatal(err)
			}
		}
	}
	if got, want := w.encoding(v), w.encoding(n.value); !bytes.Equal(got, want) {
		w.Fatalf("applied again: %q, was %q", got, want)
	}
}

// die ends one of the replicas.
func (w *world) die() {
	if w.dead != nil || len(w.nodes) < 3 {
		return
	}
	w.dead, w.stable = w.any("dies"), map[*node]uint64{}
	w.seal(w.dead)
	w.mark()
}

// mark notes when each node first had all of the dead one.
func (w *world) mark() {
	if w.dead == nil {
		return
	}
	for _, n := range w.nodes {
		if _, ok := w.stable[n]; !ok && n.clock.Includes(onlyOf(w.dead)) {
			w.stable[n] = n.clock.Seen(n.id)
		}
	}
}

func onlyOf(n *node) *crdt.Clock {
	var c crdt.Clock
	c.See(crdt.Dot{Replica: n.id, Seq: n.clock.Seen(n.id)})
	return &c
}

// fold folds what the dead replica has counted at a node that has all that was made
// without having seen all of it.
func (w *world) fold() {
	n := w.any("folds")
	if w.dead == nil || n.folded {
		return
	}
	for _, m := range w.nodes {
		if at, ok := w.stable[m]; !ok || n.clock.Seen(m.id) < at {
			return
		}
	}
	w.seal(n)
	n.value.Fold(w.dead.id)
	n.folded = true
	w.check(n)
}

// forget makes a node forget the dead replica, once all others have folded it.
func (w *world) forget() {
	n := w.any("forgets")
	if w.dead == nil || n.forgotten {
		return
	}
	for _, m := range w.nodes {
		if m != w.dead && !m.folded {
			return
		}
	}
	w.seal(n)
	n.clock.Forget(w.dead.id)
	n.forgotten = true
}

// settle brings all batches to all nodes.
func (w *world) settle() {
	for _, n := range w.nodes {
		w.seal(n)
	}
	for _, n := range w.nodes {
		for i := w.nextOf(n); i >= 0; i = w.nextOf(n) {
			w.apply(n, &w.batches[i])
		}
	}
	if w.dead == nil {
		return
	}
	w.nodes = slices.DeleteFunc(w.nodes, func(n *node) bool { return n == w.dead })
	for _, n := range w.nodes {
		n.value.Fold(w.dead.id)
		n.clock.Forget(w.dead.id)
	}
	for _, n := range w.nodes {
		for i := w.nextOf(n); i >= 0; i = w.nextOf(n) {
			w.apply(n, &w.batches[i])
		}
	}
}

func (w *world) equal() {
	first := w.nodes[0]
	for _, n := range w.nodes {
		w.check(n)
		if a, b := first.clock.Append(nil), n.clock.Append(nil); !bytes.Equal(a, b) {
			w.Fatalf("clocks: %v, %v", first.clock, n.clock)
		}
		if a, b := w.encoding(first.value), w.encoding(n.value); !bytes.Equal(a, b) {
			w.Fatalf("replica %d has %q, replica %d %q", first.id, a, n.id, b)
		}
	}
}

// lattice checks the laws of merge for three nodes' copies.
func (w *world) lattice() {
	a, b, c := w.any("a"), w.any("b"), w.any("c")
	for _, n := range []*node{a, b, c} {
		w.seal(n)
	}
	join := func(x, y *node) *node {
		z := &node{id: x.id, value: w.copy(x.value), clock: x.clock.Clone(), sight: x.sight.copy(), folded: x.folded}
		w.takes(z, y)
		return z
	}
	same := func(law string, x, y *node) {
		if p, q := w.encoding(x.value), w.encoding(y.value); !bytes.Equal(p, q) {
			w.Fatalf("merge is not %s: %q, %q", law, p, q)
		}
		if p, q := x.clock.Append(nil), y.clock.Append(nil); !bytes.Equal(p, q) {
			w.Fatalf("merge of clocks is not %s: %v, %v", law, x.clock, y.clock)
		}
	}
	same("idempotent", join(a, a), a)
	same("commutative", join(a, b), join(b, a))
	same("associative", join(join(a, b), c), join(a, join(b, c)))
	ab := join(a, b)
	if !ab.clock.Includes(&a.clock) || !ab.clock.Includes(&b.clock) {
		w.Fatal("a clock does not include what it was merged of")
	}
}

// TestReplicas checks that all replicas always see what the reference says they
// should, and are equal in the end.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, kind)
				t.Repeat(map[string]func(*rapid.T){
					"change":  func(*rapid.T) { w.change() },
					"again":   func(*rapid.T) { w.change() },
					"seal":    func(*rapid.T) { w.seal(w.any("seals")) },
					"deliver": func(*rapid.T) { w.deliver() },
					"merge":   func(*rapid.T) { w.merge() },
					"replay":  func(*rapid.T) { w.replay() },
					"laws":    func(*rapid.T) { w.lattice() },
					"die":     func(*rapid.T) { w.die() },
					"fold":    func(*rapid.T) { w.fold() },
					"forget":  func(*rapid.T) { w.forget() },
				})
				w.settle()
				w.equal()
			})
		})
	}
}
