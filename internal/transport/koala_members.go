package transport

import (
	"context"
	"net/netip"
	"sync"

	"github.com/mallee-io/mallee/placement"
)

// members remembers who is foreign: an ID never comes again, so that does not
// change while it is a member.
type members struct {
	list func(ctx context.Context) ([]placement.Member, error)
	turn chan struct{} // of one at a time who asks for the list

	mu   sync.RWMutex
	byID map[placement.NodeID]bool // whether a member is foreign
}

func (m *members) init(list func(ctx context.Context) ([]placement.Member, error)) {
	m.list, m.turn = list, make(chan struct{}, 1)
}

func (m *members) get(node placement.NodeID) (foreign, member bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	foreign, member = m.byID[node]
	return foreign, member
}

// known reports whether a node is known to be foreign.
func (m *members) known(node placement.NodeID) bool {
	foreign, _ := m.get(node)
	return foreign
}

// foreign asks the placement driver where a node is new.
func (m *members) foreign(ctx context.Context, node placement.NodeID) (bool, error) {
	if foreign, ok := m.get(node); ok {
		return foreign, nil
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return false, unavailable("node %s: the members of the cluster were not listed in time", node)
	}
	if foreign, ok := m.get(node); ok { // who had the turn before has found it
		return foreign, nil
	}
	if _, err := m.refresh(ctx); err != nil {
		return false, err
	}
	foreign, ok := m.get(node)
	if !ok {
		return false, unavailable("node %s is not a member any more", node)
	}
	return foreign, nil
}

func (m *members) refresh(ctx context.Context) ([]placement.Member, error) {
	all, err := m.list(ctx)
	if err != nil {
		return nil, unavailable("list the members of the cluster: %v", err)
	}
	byID := make(map[placement.NodeID]bool, len(all))
	for i := range all {
		byID[all[i].ID] = all[i].Foreign
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID = byID
	return all, nil
}

// address is where a foreign member listens. It always asks: the address of a
// member that is gone may be that of another one now.
func (m *members) address(ctx context.Context, node placement.NodeID) (string, error) {
	all, err := m.refresh(ctx)
	if err != nil {
		return "", err
	}
	for i := range all {
		if all[i].ID != node || !all[i].Foreign {
			continue
		}
		if _, err := netip.ParseAddrPort(all[i].Addr); err != nil {
			return "", unavailable("host %s has registered the address %.64q instead of a literal ip:port", node, all[i].Addr)
		}
		return all[i].Addr, nil
	}
	return "", unavailable("host %s is not a member any more", node)
}
