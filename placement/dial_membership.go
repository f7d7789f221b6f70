package placement

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
)

// Why a membership has ended.
var (
	errLeft = mallee.ErrUnavailable.Errorf("the node has left the cluster").BeforeRun()
	errLost = mallee.ErrUnavailable.Errorf("the node has lost its lease and has to join anew").BeforeRun()
)

// membership is what a node does under one lease: it asks, releases and
// reports, over sessions of which there is one at a time.
type membership struct {
	d       *dialed
	id      NodeID
	lease   int64
	ttl     time.Duration
	control Control
	ctx     context.Context // until the membership ends
	cancel  context.CancelFunc
	running sync.WaitGroup
	filled  chan struct{} // has an element when there may be something to send

	mu        sync.Mutex
	holder    *driver.Holder
	term      uint64      // to which it has reported
	fence     *time.Timer // at the end of the lease
	ended     error       // nil: it goes on
	doing     string      // what the session is at, for errors
	asking    map[subject]*question
	tickets   map[uint64]*question // those of asking that the leader may answer
	releasing map[driver.Held]*release
	settled   chan struct{} // closed when nothing is releasing any more; nil: nobody waits
	round     int           // of renewals
	status    *pb.Status    // told last
	outbox
}

// begin starts what runs under a lease that was just got.
func (d *dialed) begin(joined *pb.JoinResponse, asked, ttl time.Duration, c Control) *membership {
	m := &membership{
		d: d, id: NodeID(joined.Node), lease: joined.Lease, ttl: ttl, control: c,
		holder: driver.NewHolder(joined.Term, asked, ttl), term: joined.Term,
		doing: (&failures{}).String(), asking: make(map[subject]*question), tickets: make(map[uint64]*question),
		releasing: make(map[driver.Held]*release),
		filled:    make(chan struct{}, 1),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fence = time.AfterFunc(m.holder.Deadline()-d.now(), m.expire)
	d.processes.use()
	m.running.Go(func() {
		defer d.processes.done()
		m.run()
	})
	return m
}

// alive reports whether the membership goes on. A node may have slept for any
// time, so it looks at the clock.
func (m *membership) alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.check() == nil
}

// check is why nothing may begin any more. It needs mu.
func (m *membership) check() error {
	if m.ended == nil && m.holder.Fenced(m.d.now()) {
		m.stop(errLost)
	}
	return m.ended
}

// expire ends a membership that was not prolonged.
func (m *membership) expire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.check() == nil {
		m.fence.Reset(m.holder.Deadline() - m.d.now())
	}
}

// end stops everything; who waits gets the reason.
func (m *membership) end(reason error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop(reason)
}

// stop needs mu.
func (m *membership) stop(reason error) {
	if m.ended != nil {
		return
	}
	m.ended = reason
	m.fence.Stop()
	m.cancel()
	for _, q := range m.asking {
		m.finish(q, Grant{}, reason)
	}
	clear(m.releasing)
	m.allSettled()
	m.close()
}

// renewShare is the part of a lease that one attempt to renew it may take, so
// that there is time for other processes.
const renewShare = 5

func (m *membership) renew(ctx context.Context, s Status) error {
	m.mu.Lock()
	if m.check() == nil {
		m.tell(s)
	}
	m.mu.Unlock()
	return m.keep(ctx)
}

// keep prolongs the lease, if it still can be; an ErrFenced ends the membership.
func (m *membership) keep(ctx context.Context) error {
	m.mu.Lock()
	deadline := m.d.begun.Add(m.holder.Deadline())
	m.mu.Unlock()
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := m.d.processes.call(ctx, "renew the lease of node "+m.id.String(), min(attemptTimeout, m.ttl/renewShare), m.prolong)
	if errors.Is(err, mallee.ErrFenced) {
		m.end(errLost)
		return err
	}
	if !m.alive() {
		return mallee.ErrFenced.Errorf("the lease of node %s has ended; join anew", m.id)
	}
	return err
}

// prolong counts the lease from the sending: the placement driver cannot have
// prolonged it before.
func (m *membership) prolong(ctx context.Context, client pb.PlacementClient) error {
	sent := m.d.now()
	renewed, err := client.Renew(ctx, &pb.RenewRequest{Node: uint64(m.id), Lease: m.lease})
	if err != nil {
		return err
	}
	ttl, err := leaseTime(renewed.TtlMs)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.check() == nil {
		m.holder.Renewed(sent, ttl)
	}
	return nil
}

// maxLease bounds what is believed of a lease's length.
const maxLease = 24 * time.Hour

func leaseTime(ms int64) (time.Duration, error) {
	if ms <= 0 || ms > maxLease.Milliseconds() {
		return 0, mallee.ErrUnavailable.Errorf("the placement driver tells of a lease of %d ms; it has to be between 1 ms and %s", ms, maxLease)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
