package placement

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses between attempts to reach the placement driver. The longest is short
// beside a lease: who finds it late waits longer than the cluster needs.
const (
	minPause = 50 * time.Millisecond
	maxPause = time.Second
)

// backoff makes pauses that grow, each of a random length so that nodes which
// have lost the same process do not come back at once.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, minPause), maxPause)
	return b.last/2 + rand.N(b.last/2)
}

// wait makes a pause. It reports false when the context has ended.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
