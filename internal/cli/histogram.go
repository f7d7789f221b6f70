package cli

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are an eighth of a power of two
// wide, so a quantile is at most 13 % too large.
type histogram struct{ buckets [64 * 8]atomic.Uint64 }

func bucketOf(d time.Duration) int {
	n := uint64(max(d, 1))
	exponent := bits.Len64(n) - 1
	if exponent < 3 {
		return int(n)
	}
	return exponent*8 + int(n>>(exponent-3))&7
}

// upper is the largest duration of a bucket.
func upper(bucket int) time.Duration {
	exponent, eighth := bucket/8, bucket%8
	if exponent < 3 {
		return time.Duration(bucket)
	}
	return time.Duration(uint64(8+eighth+1)<<(exponent-3)) - 1
}

func (h *histogram) add(d time.Duration) { h.buckets[bucketOf(d)].Add(1) }

func (h *histogram) count() (n uint64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// quantile is 0 where nothing was counted.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q*float64(h.count())) + 1
	var seen uint64
	for i := range h.buckets {
		if seen += h.buckets[i].Load(); seen >= rank {
			return upper(i)
		}
	}
	return 0
}

func (h *histogram) reset() {
	for i := range h.buckets {
		h.buckets[i].Store(0)
	}
}
