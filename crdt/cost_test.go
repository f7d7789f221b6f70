package crdt_test

import (
	"runtime"
	"testing"

	"github.com/mallee-io/mallee/crdt"
)

// TestSmallValues checks how much memory small values take. It is not parallel, so
// that nobody else allocates meanwhile.
func TestSmallValues(t *testing.T) {
	counter := crdt.NewValue(crdt.KindPNCounter)
	for r := range crdt.ReplicaID(3) {
		if _, err := counter.Count(crdt.Dot{Replica: r + 1, Seq: 1}, 5); err != nil {
			t.Fatal(err)
		}
	}
	one, _ := made(t, crdt.Dot{Replica: 1, Seq: 1}, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"elem"}})
	entry, _ := made(t, crdt.Dot{Replica: 1, Seq: 1}, &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{
		{Key: "key", Delta: &crdt.Delta{Kind: crdt.KindPNCounter, Change: 1}},
	}})
	for name, v := range map[string]*crdt.Value{"counter": counter, "set": one, "map": entry} {
		b := state(t, v)
		const n = 10_000
		kept := make([]*crdt.Value, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range kept {
			var err error
			if kept[i], err = crdt.ParseValue(b); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(kept)
		size := int(after.HeapAlloc-before.HeapAlloc) / n
		if t.Logf("a %s takes %d bytes", name, size); size > 280 {
			t.Errorf("a %s takes %d bytes", name, size)
		}
	}
}

// TestCountAllocatesNothing is not parallel, as TestSmallValues.
func TestCountAllocatesNothing(t *testing.T) {
	v := crdt.NewValue(crdt.KindPNCounter)
	at := crdt.Dot{Replica: 1}
	effect := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		at.Seq++
		for range 10 {
			if _, err := v.Count(at, 1); err != nil {
				t.Fatal(err)
			}
		}
		effect = v.AppendEffect(effect[:0], at)
	}); n > 1 {
		t.Fatalf("%v allocations in ten counts and an effect", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Count(at, 1) }); n != 0 {
		t.Fatalf("%v allocations in a count", n)
	}
}

func BenchmarkCount(b *testing.B) {
	v := crdt.NewValue(crdt.KindPNCounter)
	for r := range crdt.ReplicaID(3) {
		if _, err := v.Count(crdt.Dot{Replica: r + 1, Seq: 1}, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Count(crdt.Dot{Replica: 2, Seq: 2}, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd adds to a set of 100,000 elements, and tells others. The effect is as
// small as that of the first.
func BenchmarkAdd(b *testing.B) {
	d := &crdt.Delta{Kind: crdt.KindORSet}
	for i := range 100_000 {
		d.Added = append(d.Added, string(rune(i)))
	}
	v, _ := made(b, crdt.Dot{Replica: 1, Seq: 1}, d)
	at := crdt.Dot{Replica: 1, Seq: 1}
	one := &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"another"}}
	var effect []byte
	b.ReportAllocs()
	for b.Loop() {
		at.Seq++
		if err := v.Change(at, 0, one); err != nil {
			b.Fatal(err)
		}
		effect = v.AppendEffect(effect[:0], at)
	}
	b.ReportMetric(float64(len(effect)), "bytes/effect")
}

// TestEffectsStaySmall checks that what is sent of a change does not grow with the
// set.
func TestEffectsStaySmall(t *testing.T) {
	t.Parallel()
	sizes := map[int]bool{}
	for _, n := range []int{10, 100_000} {
		all := &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"elem"}}
		for i := range n {
			all.Added = append(all.Added, string(rune(i)))
		}
		at := crdt.Dot{Replica: 1, Seq: 1}
		v, _ := made(t, at, all)
		at.Seq++
		for _, d := range []*crdt.Delta{
			{Kind: crdt.KindORSet, Added: []string{"elem"}},
			{Kind: crdt.KindORSet, Removed: []string{"elem"}},
			{Kind: crdt.KindORSet, Cleared: true},
		} {
			if err := v.Change(at, 0, d); err != nil {
				t.Fatal(err)
			}
			sizes[len(v.AppendEffect(nil, at))] = true
		}
	}
	if len(sizes) != 2 { // an element, or none
		t.Fatal(sizes)
	}
}
