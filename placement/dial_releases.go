package placement

import (
	"context"
	"time"

	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// release is a grant given back which the leader has yet to take.
type release struct {
	to     NodeID
	queued bool // it is in the outbox
	round  int  // of renewals, when it was sent
}

// release gives a grant back, here at once and with the leader in time.
func (m *membership) release(h driver.Held, to NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.check() != nil || h.Epoch == 0 || m.holder.Holds(h.ID) != h.Epoch {
		return // it has ended already
	}
	m.holder.Release(h.ID, h.Epoch)
	m.enqueue(h, &release{to: to})
}

// enqueue needs mu.
func (m *membership) enqueue(h driver.Held, r *release) {
	m.releasing[h] = r
	if m.open {
		r.queued = true
		m.releases = append(m.releases, h)
		m.signal()
	}
}

// taken notes what the leader of a term has taken. It needs mu.
func (m *membership) taken(grants []*pb.Grant, term uint64) {
	for _, g := range grants {
		h := driver.Held{ID: words.ID(g.Actor), Epoch: g.Epoch}
		if m.releasing[h] != nil {
			m.holder.Released(term, h.ID, h.Epoch)
			delete(m.releasing, h)
		}
	}
	m.allSettled()
}

// repeatReleases sends again what an earlier stream may have lost. It needs mu.
func (m *membership) repeatReleases() {
	open := make(map[driver.Held]*release)
	for _, h := range m.holder.Unsettled() {
		if open[h] = m.releasing[h]; open[h] == nil {
			open[h] = &release{}
		}
	}
	m.releasing = open
	for h, r := range open {
		m.enqueue(h, r)
	}
	m.allSettled()
}

// repeatOld sends again what has not been taken for a whole round of renewals.
// It needs mu.
func (m *membership) repeatOld() {
	m.round++
	for h, r := range m.releasing {
		if !r.queued && r.round < m.round-1 {
			m.enqueue(h, r)
		}
	}
}

// allSettled needs mu.
func (m *membership) allSettled() {
	if m.settled != nil && len(m.releasing) == 0 {
		close(m.settled)
		m.settled = nil
	}
}

// settleTime is how long a node that leaves waits for its last releases, which
// may say where actors go.
const settleTime = time.Second

// settle waits until the leader has taken all releases, for a short time: what
// it has not taken ends with the lease.
func (m *membership) settle(ctx context.Context) {
	m.mu.Lock()
	done := make(chan struct{})
	m.settled = done
	m.allSettled()
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
