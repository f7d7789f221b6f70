package driver_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

const million = 1_000_000

// counters are IDs as they come over a network: each with names of its own.
func counters(n int) []driver.Held {
	held := make([]driver.Held, n)
	for i := range held {
		held[i] = driver.Held{ID: mallee.ID{Type: string([]byte("Counter")), Key: fmt.Sprintf("c%08d", i)}, Epoch: uint64(i + 1)}
	}
	return held
}

// memory is what the program uses, once what it does not use is gone.
func memory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func counterHosts(nodes placement.NodeID) []placement.Member {
	var all []placement.Member
	for id := placement.NodeID(1); id <= nodes; id++ {
		all = append(all, placement.Member{ID: id, Types: []placement.Type{{Name: "Counter"}}})
	}
	return all
}

func newDirectory(members []placement.Member) *driver.Directory {
	return driver.NewDirectory(1, members, rand.New(rand.NewPCG(1, 1)))
}

// full is a directory in which ten nodes have 100,000 actors each.
func full() *driver.Directory {
	d := newDirectory(counterHosts(10))
	held := counters(million)
	for n := range 10 {
		d.Report(placement.NodeID(n+1), held[n*million/10:(n+1)*million/10], true)
	}
	return d
}

// BenchmarkDirectoryMemory takes the memory of the keys in, as the directory
// alone may hold them.
func BenchmarkDirectoryMemory(b *testing.B) {
	for b.Loop() {
		before := memory()
		d := full()
		b.ReportMetric((memory()-before)/million, "B/grant")
		runtime.KeepAlive(d)
	}
}

// BenchmarkHolderMemory leaves the keys out: the activation has them.
func BenchmarkHolderMemory(b *testing.B) {
	held := counters(million)
	for b.Loop() {
		before := memory()
		h := driver.NewHolder(1, 0, time.Hour)
		for _, x := range held {
			h.Answer(h.Ask(x.ID), 1, x.Epoch, 0)
		}
		b.ReportMetric((memory()-before)/million, "B/grant")
		runtime.KeepAlive(h)
	}
}

func BenchmarkLocateKnown(b *testing.B) {
	d, ids := full(), counters(million)
	for i := 0; b.Loop(); i++ {
		d.Locate(1, driver.Question{ID: ids[i%million].ID})
	}
}

// BenchmarkLocateNew places actors, and takes them back at once.
func BenchmarkLocateNew(b *testing.B) {
	d := full()
	id := mallee.ID{Type: "Counter", Key: "new"}
	b.ReportAllocs()
	for b.Loop() {
		a, _ := d.Locate(1, driver.Question{ID: id})
		d.Release(id, a.Grant, 0)
	}
}

// BenchmarkReport is what a million actors of one node cost a new leader.
func BenchmarkReport(b *testing.B) {
	held := counters(million)
	for b.Loop() {
		newDirectory(counterHosts(1)).Report(1, held, true)
	}
}

// BenchmarkHolderReport is what they cost the node.
func BenchmarkHolderReport(b *testing.B) {
	h := driver.NewHolder(1, 0, time.Hour)
	for _, x := range counters(million) {
		h.Answer(h.Ask(x.ID), 1, x.Epoch, 0)
	}
	for b.Loop() {
		h.Report(1)
	}
}

// BenchmarkLost drops a node with one actor of a million others.
func BenchmarkLost(b *testing.B) {
	d := full()
	node := placement.NodeID(100)
	for b.Loop() {
		node++
		d.Join(placement.Member{ID: node, Types: []placement.Type{{Name: "Counter"}}})
		id := mallee.ID{Type: "Counter", Key: "moved"}
		a, _ := d.Locate(1, driver.Question{ID: id})
		d.Release(id, a.Grant, node)
		d.Lost(node)
	}
}

// BenchmarkPlan plans a hundred moves to a node that has joined.
func BenchmarkPlan(b *testing.B) {
	d := full()
	d.SetSettings(driver.Settings{Settle: -1})
	d.Join(placement.Member{ID: 11, Types: []placement.Type{{Name: "Counter"}}})
	now := time.Unix(0, 0)
	for b.Loop() {
		now = now.Add(time.Hour) // none was done: all is planned anew
		d.Advance(now)
		if n := len(d.Plan(100)); n != 100 {
			b.Fatalf("%d moves", n)
		}
	}
}

// BenchmarkPage lists the first hundred of a million.
func BenchmarkPage(b *testing.B) {
	d := full()
	for b.Loop() {
		d.Page(driver.Filter{}, mallee.ID{}, 100)
	}
}
