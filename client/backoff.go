package client

import (
	"math/rand/v2"
	"time"
)

// backoff is how long to wait before coming back.
type backoff struct {
	first, longest time.Duration
	failed         int // attempts since a connection that lasted
}

// ceiling is the longest pause before the next attempt.
func (b *backoff) ceiling() time.Duration {
	pause := b.first
	for i := 0; i < b.failed && pause < b.longest; i++ {
		pause *= 2
	}
	return min(pause, b.longest)
}

// next is the pause before the next attempt: a random part of the longest one,
// so that clients which have lost the same gateway do not come back together.
func (b *backoff) next() time.Duration {
	pause := rand.N(b.ceiling() + 1)
	b.failed++
	return pause
}

// lasted takes note of a connection that was good for so long. One that has
// lasted less than the pause before it would have is no reason to be quicker.
func (b *backoff) lasted(d time.Duration) {
	if d >= b.ceiling() {
		b.failed = 0
	}
}
