package driver

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Memory is a placement.Driver for the nodes of one process: clusters inside a
// test. It is a Directory of one term without an end. A member that has not
// renewed for ttl is dead and its actors are placed anew.
func Memory(ttl time.Duration) placement.Driver {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	return &memory{ttl: ttl, directory: NewDirectory(0, nil, TwoChoices(random)), expires: make(map[placement.NodeID]time.Time)}
}

type memory struct {
	ttl time.Duration

	mu        sync.Mutex
	directory *Directory
	last      placement.NodeID
	expires   map[placement.NodeID]time.Time // when leases end
}

// lock takes the lock and drops the members whose leases have ended.
func (m *memory) lock() {
	m.mu.Lock()
	now := time.Now()
	for id, end := range m.expires {
		if !now.Before(end) {
			m.drop(id)
		}
	}
}

func (m *memory) drop(id placement.NodeID) {
	delete(m.expires, id)
	m.directory.Lost(id)
}

func (m *memory) Join(_ context.Context, who placement.Member) (placement.Lease, error) {
	m.lock()
	defer m.mu.Unlock()
	m.last++
	who.ID = m.last
	m.expires[who.ID] = time.Now().Add(m.ttl)
	m.directory.Join(who)
	return placement.Lease{ID: who.ID, TTL: m.ttl}, nil
}

func (m *memory) Renew(_ context.Context, id placement.NodeID, s placement.Status) error {
	m.lock()
	defer m.mu.Unlock()
	if !m.directory.Renew(id, s) {
		return mallee.ErrFenced.Errorf("lease of node %s has ended", id)
	}
	m.expires[id] = time.Now().Add(m.ttl)
	return nil
}

func (m *memory) Leave(_ context.Context, id placement.NodeID) error {
	m.lock()
	defer m.mu.Unlock()
	m.drop(id)
	return nil
}

func (m *memory) Members(context.Context) ([]placement.Member, error) {
	m.lock()
	defer m.mu.Unlock()
	return m.directory.Members(), nil
}

func (m *memory) Locate(_ context.Context, id mallee.ID) (placement.Grant, error) {
	m.lock()
	defer m.mu.Unlock()
	a, _ := m.directory.Locate(0, id) // done at once, as nobody has anything to report
	return a.Grant, a.Err
}

func (m *memory) Release(_ context.Context, id mallee.ID, g placement.Grant) error {
	m.lock()
	defer m.mu.Unlock()
	m.directory.Release(id, g, 0)
	return nil
}
