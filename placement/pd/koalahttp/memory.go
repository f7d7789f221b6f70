package koalahttp

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// Memory is a Cluster of one process without a disk, for tests, and to read
// what each method has to do.
func Memory() Cluster {
	return &memory{
		directory: driver.NewDirectory(1, nil, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
		last:      make(map[string]int64),
		members:   make(map[int64]*member),
		gone:      make(map[int64]error),
		positions: make(map[mallee.ID]Position),
	}
}

type memory struct {
	mu        sync.Mutex
	lastHost  int64            // the last ID given to a host
	last      map[string]int64 // of each sequence
	members   map[int64]*member
	gone      map[int64]error // why those are members no more that were
	directory *driver.Directory
	positions map[mallee.ID]Position // of those that the directory has placed
	history   history
}

type member struct {
	host  Host
	lease int64
	ttl   time.Duration
	ends  time.Time // when nothing renews it
}

func (m *memory) NextID(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastHost++
	return m.lastHost, nil
}

func (m *memory) Sequence(_ context.Context, key string, _ int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last[key]++
	return m.last[key], nil
}

func (m *memory) Register(_ context.Context, h Host, ttl time.Duration) (int64, error) {
	now := m.lock()
	defer m.mu.Unlock()
	switch {
	case h.ServerID <= 0 || h.ServerID > m.lastHost:
		return 0, ErrNotIssued
	case m.gone[h.ServerID] != nil:
		return 0, ErrRegistered
	}
	if was := m.members[h.ServerID]; was != nil {
		if was.host.Address == h.Address && was.host.StartTime == h.StartTime {
			return was.lease, nil
		}
		return 0, ErrRegistered
	}
	lease := 1 + rand.Int64N(math.MaxInt64)
	m.members[h.ServerID] = &member{host: h, lease: lease, ttl: ttl, ends: now.Add(ttl)}
	m.history.join(now, h.ServerID)
	joined := driver.Member{ID: driver.NodeID(h.ServerID), Foreign: true, Since: time.UnixMilli(h.StartTime)}
	for service, implementation := range h.Services {
		if implementation != "" {
			joined.Types = append(joined.Types, driver.Type{Name: service})
		}
	}
	m.directory.Join(joined)
	m.directory.Renew(joined.ID, driver.Status{Load: int(h.Load)})
	return lease, nil
}

func (m *memory) KeepAlive(_ context.Context, id, lease, load int64) error {
	now := m.lock()
	defer m.mu.Unlock()
	member := m.members[id]
	switch {
	case m.gone[id] != nil:
		return m.gone[id]
	case member == nil || member.lease != lease:
		return ErrNoLease
	}
	member.host.Load, member.ends = load, now.Add(member.ttl)
	m.directory.Renew(driver.NodeID(id), driver.Status{Load: int(load)})
	return nil
}

func (m *memory) Delete(_ context.Context, id int64, addr string) error {
	now := m.lock()
	defer m.mu.Unlock()
	if member := m.members[id]; member != nil && member.host.Address == addr {
		m.remove(now, id, ErrNoHost)
	}
	return nil
}

func (m *memory) Hosts(context.Context) ([]Host, []Event, error) {
	now := m.lock()
	defer m.mu.Unlock()
	return m.hosts(), m.history.recent(now), nil
}

func (m *memory) Position(_ context.Context, actorType, actorID string) (Position, error) {
	now := m.lock()
	defer m.mu.Unlock()
	id := mallee.ID{Type: actorType, Key: actorID}
	a, _ := m.directory.Locate(0, driver.Question{ID: id}) // nobody has yet to report
	switch {
	case errors.Is(a.Err, mallee.ErrNotFound):
		return Position{}, ErrNoType
	case a.Err != nil:
		return Position{}, ErrNoServer
	case a.New:
		owner := int64(a.Grant.Node)
		m.positions[id] = Position{Created: now, ServerID: owner, Address: m.members[owner].host.Address}
	}
	return m.positions[id], nil
}

func (m *memory) Leader(context.Context) (here bool, url string, err error) { return true, "", nil }

// lock locks, removes whose lease has ended, and returns the time.
func (m *memory) lock() time.Time {
	m.mu.Lock()
	now := time.Now()
	m.directory.Advance(now)
	for id, member := range m.members {
		if !now.Before(member.ends) {
			m.remove(now, id, ErrNoLease)
		}
	}
	return now
}

// remove ends a membership; positions end with it.
func (m *memory) remove(now time.Time, id int64, why error) {
	delete(m.members, id)
	m.gone[id] = why
	m.directory.Lost(driver.NodeID(id))
	maps.DeleteFunc(m.positions, func(_ mallee.ID, p Position) bool { return p.ServerID == id })
	m.history.leave(now, id)
}

func (m *memory) hosts() []Host {
	var hosts []Host
	for _, id := range slices.Sorted(maps.Keys(m.members)) {
		hosts = append(hosts, m.members[id].host)
	}
	return hosts
}
