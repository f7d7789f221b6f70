package placement_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mallee-io/mallee"
)

// Cold calls: 64 callers ask for actors that live nowhere. The placement driver
// runs in the same process, so its work and memory count as well.
func BenchmarkDialLocate(b *testing.B) {
	f := newFake(b, 1)
	a := f.join("a", nil)
	a.locate(b, "first")
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range 64 {
		callers.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if _, err := a.Locate(b.Context(), a.id, mallee.ID{Type: "P", Key: fmt.Sprint(n)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "locates/s")
}
