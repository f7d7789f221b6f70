package placement

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// Memory is a Driver for the nodes of one process: clusters inside a
// test. It is a driver.Directory of one term without an end. A member that has not
// renewed for ttl is dead and its actors are placed anew. Members get actors as soon
// as they have joined, by rebalancing too.
func Memory(ttl time.Duration) Driver {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	directory := driver.NewDirectory(0, nil, random)
	directory.SetSettings(driver.Settings{Settle: -1})
	return &memory{ttl: ttl, directory: directory, expires: make(map[NodeID]time.Time), controls: make(map[NodeID]Control)}
}

// There is no goroutine to rebalance; calls do it, at most so often and so many.
const (
	planEvery = time.Second
	planMoves = 100
)

type memory struct {
	ttl time.Duration

	mu        sync.Mutex
	directory *driver.Directory
	last      NodeID
	planned   time.Time
	expires   map[NodeID]time.Time // when leases end
	controls  map[NodeID]Control
}

// lock takes the lock and does what is due: it drops the members whose leases
// have ended, and asks for moves.
func (m *memory) lock() {
	m.mu.Lock()
	now := time.Now()
	for id, end := range m.expires {
		if !now.Before(end) {
			m.drop(id)
		}
	}
	m.directory.Advance(now)
	if now.Sub(m.planned) < planEvery {
		return
	}
	m.planned = now
	for _, move := range m.directory.Plan(planMoves) {
		if c := m.controls[move.Grant.Node]; c != nil {
			c.Move(move.ID, move.Grant, move.To)
		}
	}
}

func (m *memory) drop(id NodeID) {
	delete(m.expires, id)
	delete(m.controls, id)
	m.directory.Lost(id)
	for _, c := range m.controls {
		c.Lost(id)
	}
}

func (m *memory) Join(_ context.Context, who Member, c Control) (Lease, error) {
	m.lock()
	defer m.mu.Unlock()
	m.last++
	who.ID = m.last
	m.expires[who.ID] = time.Now().Add(m.ttl)
	if c != nil {
		m.controls[who.ID] = c
	}
	m.directory.Join(who)
	return Lease{ID: who.ID, TTL: m.ttl}, nil
}

func (m *memory) Renew(_ context.Context, id NodeID, s Status) error {
	m.lock()
	defer m.mu.Unlock()
	if !m.directory.Renew(id, s) {
		return mallee.ErrFenced.Errorf("lease of node %s has ended", id)
	}
	m.expires[id] = time.Now().Add(m.ttl)
	return nil
}

func (m *memory) Leave(_ context.Context, id NodeID) error {
	m.lock()
	defer m.mu.Unlock()
	m.drop(id)
	return nil
}

func (m *memory) Members(context.Context) ([]Member, error) {
	m.lock()
	defer m.mu.Unlock()
	return m.directory.Members(), nil
}

func (m *memory) Locate(_ context.Context, from NodeID, id mallee.ID) (Grant, error) {
	m.lock()
	defer m.mu.Unlock()
	a, _ := m.directory.Locate(0, driver.Question{ID: id, From: from}) // done at once, as nobody has anything to report
	return a.Grant, a.Err
}

func (m *memory) Successor(_ context.Context, owner NodeID, id mallee.ID) (NodeID, error) {
	m.lock()
	defer m.mu.Unlock()
	return m.directory.Successor(owner, id)
}

func (m *memory) Release(_ context.Context, id mallee.ID, g Grant, to NodeID) error {
	m.lock()
	defer m.mu.Unlock()
	m.directory.Release(id, g, to)
	return nil
}
