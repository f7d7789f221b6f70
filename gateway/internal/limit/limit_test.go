package limit_test

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/gateway/internal/limit"
)

func TestBucketIsSmall(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(limit.Bucket{}); size > 8 {
		t.Errorf("%d bytes for each connection", size)
	}
}

func TestBucket(t *testing.T) {
	t.Parallel()
	rate := limit.Rate{PerSecond: 10, Burst: 3}
	var b limit.Bucket
	for i, step := range []struct {
		now, wait time.Duration
		n         int64
	}{
		{0, 0, 3},
		{0, 100 * time.Millisecond, 1},
		{0, 200 * time.Millisecond, 2},
		{100 * time.Millisecond, 0, 1},
		{time.Hour, 0, 2},                        // no more than the burst was saved up
		{time.Hour, 100 * time.Millisecond, 2},   // nothing was taken
		{time.Hour, 200 * time.Millisecond, 5},   // needs a full bucket
		{time.Hour + 200*time.Millisecond, 0, 5}, // and leaves a debt
		{time.Hour + 200*time.Millisecond, 300 * time.Millisecond, 1},
		{time.Hour + 500*time.Millisecond, 0, 1},
		{time.Hour + 500*time.Millisecond, 0, 0},
	} {
		if wait := b.Take(&rate, step.n, step.now); wait != step.wait {
			t.Errorf("step %d: %s, want %s", i, wait, step.wait)
		}
	}
}

func TestBucketWithoutLimit(t *testing.T) {
	t.Parallel()
	var b limit.Bucket
	for range 1000 {
		if b.Take(new(limit.Rate), math.MaxInt64, 0) != 0 {
			t.Fatal("limited")
		}
	}
}

// Numbers far out of any use neither overflow nor let everything through.
func TestBucketExtremes(t *testing.T) {
	t.Parallel()
	for _, rate := range []limit.Rate{{1, 1}, {1, math.MaxInt64}, {math.MaxInt64, 1}, {math.MaxInt64, math.MaxInt64}} {
		var b limit.Bucket
		if b.Take(&rate, math.MaxInt64, time.Second) != 0 {
			t.Errorf("%+v: a full bucket refuses", rate)
		}
		if wait := b.Take(&rate, math.MaxInt64, time.Second); wait < 0 || wait == 0 && rate.PerSecond == 1 {
			t.Errorf("%+v: then %s", rate, wait)
		}
	}
}

// Koala's counter: as many as the limit at once, and the one after that closes.
func TestKoala(t *testing.T) {
	t.Parallel()
	rate := limit.Koala(5)
	var b limit.Bucket
	for range 5 {
		if b.Take(&rate, 1, 0) != 0 {
			t.Error("closed within the limit")
		}
	}
	if b.Take(&rate, 1, 0) == 0 {
		t.Error("not closed above the limit")
	}
	if b.Take(&rate, 5, time.Second) != 0 {
		t.Error("not drained by a second")
	}
	none := limit.Koala(0)
	if b.Take(&none, 1000, time.Second) != 0 {
		t.Error("0 is a limit")
	}
}

// A bucket behaves as its textbook model with exact numbers, but for the
// nanosecond that each Take rounds up.
func TestBucketModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := limit.Rate{
			PerSecond: rapid.Int64Range(1, 1<<34).Draw(t, "per second"),
			Burst:     rapid.Int64Range(1, 1<<30).Draw(t, "burst"),
		}
		var b limit.Bucket
		now, takes := time.Duration(0), int64(0)
		tokens := new(big.Rat).SetInt64(rate.Burst)
		perNano := big.NewRat(rate.PerSecond, int64(time.Second))
		in := func(d time.Duration) *big.Rat { return new(big.Rat).Mul(perNano, new(big.Rat).SetInt64(int64(d))) }
		for range rapid.IntRange(1, 50).Draw(t, "takes") {
			gap := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "gap"))
			now += gap
			tokens.Add(tokens, in(gap))
			if full := new(big.Rat).SetInt64(rate.Burst); tokens.Cmp(full) > 0 {
				tokens = full
			}
			n := rapid.Int64Range(1, 2*rate.Burst).Draw(t, "n")
			takes++
			missing := new(big.Rat).Sub(new(big.Rat).SetInt64(min(n, rate.Burst)), tokens)
			wait := b.Take(&rate, n, now)
			slack := time.Duration(2 * (takes + 1))
			if wait == 0 {
				if missing.Cmp(in(slack)) > 0 {
					t.Fatalf("let %d through, %s missing", n, missing.FloatString(9))
				}
				tokens.Sub(tokens, new(big.Rat).SetInt64(n))
				continue
			}
			if low, high := in(wait-slack), in(wait+slack); missing.Cmp(low) < 0 || missing.Cmp(high) > 0 {
				t.Fatalf("wait of %s, %s missing", wait, missing.FloatString(9))
			}
		}
	})
}

// Whoever waits as long as told gets through then, and not before.
func TestBucketWait(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := limit.Rate{PerSecond: rapid.Int64Range(1, 1e9).Draw(t, "per second"), Burst: rapid.Int64Range(1, 1e6).Draw(t, "burst")}
		var b limit.Bucket
		now := time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "now"))
		for range 20 {
			n := rapid.Int64Range(1, 1e7).Draw(t, "n")
			wait := b.Take(&rate, n, now)
			if wait == 0 {
				continue
			}
			if left := b.Take(&rate, n, now+wait-1); left != 1 {
				t.Fatalf("a nanosecond before the end of %s: %s", wait, left)
			}
			now += wait
			if left := b.Take(&rate, n, now); left != 0 {
				t.Fatalf("after %s: %s", wait, left)
			}
		}
	})
}

func TestConnections(t *testing.T) {
	t.Parallel()
	c := limit.Connections{Most: 4, PerAddress: 2}
	open := func(address string, want limit.Admission) {
		t.Helper()
		if got := c.Open(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %d, want %d", address, got, want)
		}
	}
	open("192.0.2.1", limit.Admitted)
	open("::ffff:192.0.2.1", limit.Admitted)
	open("192.0.2.1", limit.Crowded)
	open("2001:db8::1", limit.Admitted)
	open("2001:db8::ffff:1%eth0", limit.Admitted)
	open("192.0.2.2", limit.Full)
	c.Close(netip.MustParseAddr("192.0.2.1"))
	open("2001:db8:0:0:8000::", limit.Crowded) // the same /64
	open("2001:db8:0:1::", limit.Admitted)     // the next one
}

// Whatever is opened and closed, the counts are those of a plain list, and
// nothing is kept of what has gone.
func TestConnectionsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := limit.Connections{
			Most:       rapid.IntRange(0, 10).Draw(t, "most"),
			PerAddress: rapid.IntRange(0, 3).Draw(t, "per address"),
		}
		address := func(n int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%d::%d", n/2, n%2)) }
		var live []int
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(t, "close") {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				c.Close(address(live[i]))
				live = append(live[:i], live[i+1:]...)
				continue
			}
			n, same := rapid.IntRange(0, 9).Draw(t, "address"), 0
			for _, other := range live {
				if other/2 == n/2 {
					same++
				}
			}
			want := limit.Admitted
			if c.Most > 0 && len(live) >= c.Most {
				want = limit.Full
			} else if c.PerAddress > 0 && same >= c.PerAddress {
				want = limit.Crowded
			}
			if got := c.Open(address(n)); got != want {
				t.Fatalf("%d, want %d", got, want)
			}
			if want == limit.Admitted {
				live = append(live, n)
			}
		}
		for _, n := range live {
			c.Close(address(n))
		}
		if connections, addresses := c.Count(); connections != 0 || addresses != 0 {
			t.Fatalf("%d connections of %d addresses are left", connections, addresses)
		}
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m := limit.Memory{Budget: 1000}
	for i, step := range []struct {
		n       int64 // released if negative
		taken   bool
		refuses bool
		excess  int64
	}{
		{750, true, false, 0},
		{1, true, true, 0},
		{149, true, true, 0},
		{1, true, true, 151},
		{99, true, true, 250},
		{1, false, true, 250},
		{-250, true, false, 0},
	} {
		taken := true
		if step.n < 0 {
			m.Release(-step.n)
		} else {
			taken = m.Reserve(step.n)
		}
		if taken != step.taken || m.Refuses() != step.refuses || m.Excess() != step.excess {
			t.Errorf("step %d: %v, %v, %d", i, taken, m.Refuses(), m.Excess())
		}
	}
	var none limit.Memory
	if !none.Reserve(math.MaxInt64) || none.Refuses() || none.Excess() != 0 {
		t.Error("a budget of 0 is a limit")
	}
}

// Whoever takes at the same time never has more than the budget together, and
// what is given back is there again.
func TestMemoryConcurrent(t *testing.T) {
	t.Parallel()
	m := limit.Memory{Budget: 1000}
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range int64(500) {
				if !m.Reserve(n) {
					continue
				}
				if sum := taken.Add(n); sum > m.Budget {
					t.Errorf("%d bytes are taken", sum)
				}
				taken.Add(-n)
				m.Release(n)
			}
		})
	}
	all.Wait()
	if m.Used() != 0 {
		t.Errorf("%d bytes are left", m.Used())
	}
}

func BenchmarkBucket(b *testing.B) {
	rate := limit.Rate{PerSecond: 1000, Burst: 100}
	var bucket limit.Bucket
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += time.Millisecond {
		bucket.Take(&rate, 1, now)
	}
}
