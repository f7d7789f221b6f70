package main

import (
	"testing"
	"time"
)

// Every contestant of the suite can do what it is measured for. GoAkt is
// not built for a test.
func TestCRDTBenchesMeasure(t *testing.T) {
	t.Parallel()
	benches := []bench{
		incrementBench("inc", "", perCore),
		incrementBench("allocs", "", per1000),
		visibleBench("visible", "", 300, latency(99)),
		visibleBench("cpu", "", 300, cpuUsed),
		crowdBench("bytes", "", 2000, residentOf),
		crowdBench("heap", "", 2000, liveOf),
		newcomerBench(2000),
		changeBytesBench(10),
	}
	for _, b := range benches {
		for _, e := range crdtEntrants() {
			c := e.make()
			if _, ok := c.(preparer); ok || !b.admits(c) {
				continue
			}
			t.Run(b.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				got, err := b.measure(t.Context(), c, 100*time.Millisecond)
				if err != nil || got.Failed > 0 {
					t.Errorf("measured %+v, %v", got, err)
				}
			})
		}
	}
}

// What one change costs does not depend on what is there.
func TestChangeBytesAreFlat(t *testing.T) {
	t.Parallel()
	small, smallErr := malleeReplicas{}.changeBytes(10)
	large, largeErr := malleeReplicas{}.changeBytes(10_000)
	if smallErr != nil || largeErr != nil || large > 1.1*small {
		t.Errorf("%.1f bytes of 10 elements, %v; %.1f of 10,000, %v", small, smallErr, large, largeErr)
	}
}
