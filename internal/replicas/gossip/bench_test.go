package gossip_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

const million = 1_000_000

// BenchmarkCount is a counter's read and increment, in a batch that is open.
func BenchmarkCount(b *testing.B) {
	c := newReplica(1).Open("counter")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Count(crdt.KindPNCounter, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadAndCount reads the counter by itself first.
func BenchmarkReadAndCount(b *testing.B) {
	c := newReplica(1).Open("counter")
	var sum int64
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Read(func(v *crdt.Value, _ crdt.Electorate) { sum += v.Total() }); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Count(crdt.KindPNCounter, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd adds elements to sets, and seals every thousand of them.
func BenchmarkAdd(b *testing.B) {
	a := newReplica(1)
	cells := make([]*gossip.Cell, 1000)
	for i := range cells {
		cells[i] = a.Open(fmt.Sprintf("set-%012d", i))
	}
	d := add("element")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(cells) == 0 {
			a.Seal()
		}
		if err := cells[i%len(cells)].Change(d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply applies batches of a hundred counts each.
func BenchmarkApply(b *testing.B) {
	a, other := newReplica(1), newReplica(2)
	cells := make([]*gossip.Cell, 100)
	for i := range cells {
		cells[i] = a.Open(fmt.Sprintf("counter-%08d", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range cells {
			if _, err := c.Count(crdt.KindPNCounter, 1); err != nil {
				b.Fatal(err)
			}
		}
		pass(b, a, other)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(cells)), "ns/change")
}

// memory is what the program uses, once what it does not use is gone.
func memory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkMemory is what a million small values take, beyond their names of 16 bytes
// and what is in them.
func BenchmarkMemory(b *testing.B) {
	for _, c := range []struct {
		name     string
		replicas crdt.ReplicaID
		delta    *crdt.Delta
		payload  float64
	}{
		{"counter-of-1", 1, &crdt.Delta{Kind: crdt.KindPNCounter, Change: 7}, 8},
		{"counter-of-3", 3, &crdt.Delta{Kind: crdt.KindPNCounter, Change: 7}, 3 * 8},
		{"set-of-1", 1, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"element"}}, 7},
		{"register", 1, &crdt.Delta{Kind: crdt.KindRegister, Value: "value"}, 5},
		{"flag", 1, &crdt.Delta{Kind: crdt.KindFlag, Enabled: true}, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				before := memory()
				v := newReplica(1)
				for id := crdt.ReplicaID(1); id <= c.replicas; id++ {
					fill(b, v, id, c.delta)
				}
				perValue := (memory() - before) / million
				b.ReportMetric(perValue, "B/value")
				b.ReportMetric(perValue-16-c.payload, "B/value-beyond")
				runtime.KeepAlive(v)
			}
		})
	}
}

// fill makes a million values, as those of the replica with the ID.
func fill(b *testing.B, v *gossip.Values, id crdt.ReplicaID, d *crdt.Delta) {
	by := v
	if id > 1 {
		by = newReplica(id)
	}
	for i := range million {
		if err := by.Open(fmt.Sprintf("value-%010d", i)).Change(d); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			if by == v {
				v.Seal()
			} else {
				pass(b, by, v)
			}
		}
	}
}

// read reads all that another has, as who has nothing of it.
func read(b *testing.B, from *gossip.Values) (staged *gossip.Values) {
	since := from.Clock()
	staged = gossip.NewStaged(&since)
	for next, done := "", false; !done; done = next == "" {
		entries, after, err := from.Entries(next, 256<<10)
		if err == nil {
			err = staged.Load(entries)
		}
		if err != nil {
			b.Fatal(err)
		}
		next = after
	}
	return staged
}

// merge merges, and reports how long nobody can change anything else.
func merge(b *testing.B, to, staged *gossip.Values) {
	began := time.Now()
	if err := to.Merge(staged); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "s-in-merge")
	if n, _ := to.Size(); n != million {
		b.Fatalf("%d values", n)
	}
}

// BenchmarkTransfer reads, loads and merges a million counters, as a newcomer does.
func BenchmarkTransfer(b *testing.B) {
	from := newReplica(1)
	fill(b, from, 1, &crdt.Delta{Kind: crdt.KindPNCounter, Change: 7})
	for b.Loop() {
		merge(b, newReplica(2), read(b, from))
	}
}

// BenchmarkTransferAgain is for one who has them already, and of whom a hundredth has
// changed at either side.
func BenchmarkTransferAgain(b *testing.B) {
	from, to := newReplica(1), newReplica(2)
	fill(b, from, 1, &crdt.Delta{Kind: crdt.KindPNCounter, Change: 7})
	if err := to.Merge(read(b, from)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for i := range million / 100 {
			for side, v := range []*gossip.Values{from, to} {
				if _, err := v.Open(fmt.Sprintf("value-%010d", 100*i+side)).Count(crdt.KindPNCounter, 1); err != nil {
					b.Fatal(err)
				}
			}
		}
		merge(b, to, read(b, from))
	}
}

// BenchmarkTransferLarge reads one set of so many elements in parts.
func BenchmarkTransferLarge(b *testing.B) {
	for _, n := range []int{100_000, million} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			from := newReplica(1)
			c := from.Open("set")
			for i := range n {
				if err := c.Change(add(fmt.Sprintf("element-%010d", i))); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				read(b, from)
			}
		})
	}
}
