// Package limit decides when clients ask for too much: too many messages or
// bytes, connections, or memory. It has no clock and no goroutine.
package limit

import (
	"math/bits"
	"time"
)

// Rate is how much a bucket lets through: Burst at once, and PerSecond for
// ever. All buckets of a kind share one.
type Rate struct {
	PerSecond int64 // 0: no limit
	Burst     int64 // at least 1 where there is a limit
}

// Koala is the rate of Koala's counter of messages: a leaky bucket that holds
// and drains as many as the limit, per second. Nothing is left to wait for: a
// client that exceeds it is closed. 0: no limit.
func Koala(limit int64) Rate { return Rate{PerSecond: limit, Burst: limit} }

// Bucket is a token bucket, of which 8 bytes are kept: the time at which it
// will be full again. The zero Bucket is full. It is for one goroutine.
type Bucket struct {
	full time.Duration
}

// Take takes n if they are there, and returns 0; otherwise it takes nothing and
// returns how long they will not be there. What is larger than the burst needs
// a full bucket and leaves a debt, so that it passes and is paid for. now is
// any clock that does not go back.
func (b *Bucket) Take(r *Rate, n int64, now time.Duration) (wait time.Duration) {
	if r.PerSecond <= 0 || n <= 0 {
		return 0
	}
	full := max(b.full, now)
	if needed := full + r.time(min(n, r.Burst)) - r.time(r.Burst); needed > now {
		return needed - now
	}
	b.full = full + r.time(n)
	return 0
}

// time is how long the rate needs for n, rounded up. It ends at a
// century, so that sums do not overflow.
func (r *Rate) time(n int64) time.Duration {
	const century = 100 * 365 * 24 * time.Hour
	high, low := bits.Mul64(uint64(n), uint64(time.Second))
	low, carry := bits.Add64(low, uint64(r.PerSecond-1), 0)
	high += carry
	if high >= uint64(r.PerSecond) {
		return century
	}
	t, _ := bits.Div64(high, low, uint64(r.PerSecond))
	return time.Duration(min(t, uint64(century)))
}
