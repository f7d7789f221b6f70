package placement

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
)

// Memory is a Driver for the nodes of one process: clusters inside a test. A
// member that has not renewed for ttl is dead and its actors are placed anew.
func Memory(ttl time.Duration) Driver {
	return &memory{ttl: ttl, members: make(map[NodeID]*member), grants: make(map[mallee.ID]Grant)}
}

type memory struct {
	ttl time.Duration

	mu      sync.Mutex
	last    NodeID
	epoch   uint64
	members map[NodeID]*member
	grants  map[mallee.ID]Grant
}

type member struct {
	Member
	status  Status
	expires time.Time
	owns    int // grants
}

func (m *memory) Join(_ context.Context, who Member) (Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	who.ID = m.last
	m.members[who.ID] = &member{Member: who, expires: time.Now().Add(m.ttl)}
	return Lease{ID: who.ID, TTL: m.ttl}, nil
}

// live finds a member whose lease is in force; a dead one is forgotten.
func (m *memory) live(id NodeID) *member {
	who := m.members[id]
	if who != nil && !time.Now().Before(who.expires) {
		delete(m.members, id)
		return nil
	}
	return who
}

func (m *memory) Renew(_ context.Context, id NodeID, s Status) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	who := m.live(id)
	if who == nil {
		return mallee.ErrFenced.Errorf("lease of node %s has ended", id)
	}
	who.status, who.expires = s, time.Now().Add(m.ttl)
	return nil
}

func (m *memory) Leave(_ context.Context, id NodeID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.members, id)
	return nil
}

func (m *memory) Members(context.Context) ([]Member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Member
	for id := range m.members {
		if who := m.live(id); who != nil {
			all = append(all, who.Member)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return int(a.ID) - int(b.ID) })
	return all, nil
}

func (m *memory) Locate(_ context.Context, id mallee.ID) (Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g, ok := m.grants[id]; ok && m.live(g.Node) != nil {
		return g, nil
	}
	who, stateless, err := m.choose(id.Type)
	if err != nil {
		return Grant{}, err
	}
	if stateless {
		return Grant{Node: who.ID}, nil
	}
	m.epoch++
	g := Grant{Node: who.ID, Epoch: m.epoch}
	m.grants[id] = g
	who.owns++
	return g, nil
}

// choose takes the one of two random members that owns less.
func (m *memory) choose(actorType string) (who *member, stateless bool, err error) {
	var able []*member
	hosted := false
	for id := range m.members {
		candidate := m.live(id)
		if candidate == nil {
			continue
		}
		if t, ok := candidate.Hosts(actorType); ok {
			hosted, stateless = true, t.Stateless
			if !candidate.status.Cordoned {
				able = append(able, candidate)
			}
		}
	}
	switch {
	case !hosted:
		return nil, false, noHost(actorType)
	case len(able) == 0:
		return nil, false, mallee.ErrUnavailable.Errorf("all nodes that host actor type %s are leaving", actorType).BeforeRun()
	}
	who = able[rand.IntN(len(able))]
	if other := able[rand.IntN(len(able))]; other.owns < who.owns {
		who = other
	}
	return who, stateless, nil
}

func (m *memory) Release(_ context.Context, id mallee.ID, g Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.grants[id] != g {
		return nil
	}
	delete(m.grants, id)
	if who := m.members[g.Node]; who != nil {
		who.owns--
	}
	return nil
}
