package cli // inside: the histogram is not for others

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h histogram
		d := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "d"))
		h.add(d)
		for _, q := range []float64{0, 0.5, 0.99} {
			got := h.quantile(q)
			if got < d || float64(got) > 1.13*float64(d)+1 {
				t.Fatalf("%d ns became %d", d, got)
			}
		}
	})
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a quantile")
	}
	for i := range 100 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	if p50 := h.quantile(0.5); h.count() != 100 || p50 < 50*time.Millisecond || p50 > 58*time.Millisecond {
		t.Errorf("p50 of 1..100 ms is %v", p50)
	}
}
