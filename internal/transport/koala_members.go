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
	byID map[placement.NodeID]placement.Member
}

func (m *members) init(list func(ctx context.Context) ([]placement.Member, error)) {
	m.list, m.turn = list, make(chan struct{}, 1)
}

func (m *members) get(node placement.NodeID) (placement.Member, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	member, ok := m.byID[node]
	return member, ok
}

// known reports whether a node is known to be foreign.
func (m *members) known(node placement.NodeID) bool {
	member, _ := m.get(node)
	return member.Foreign
}

// gatewayType is the type that Koala's gateways say they host.
const gatewayType = "IGateway"

// gateway reports whether a node is known to be a gateway of Koala's own.
func (m *members) gateway(node placement.NodeID) bool {
	member, _ := m.get(node)
	_, ok := member.Hosts(gatewayType)
	return member.Foreign && ok
}

// ip is where a foreign member is, as it has registered.
func (m *members) ip(node placement.NodeID) netip.Addr {
	member, _ := m.get(node)
	return ipOf(member.Addr)
}

// at is how many foreign members there are at an address.
func (m *members) at(ip netip.Addr) (n int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, member := range m.byID {
		if member.Foreign && ipOf(member.Addr) == ip {
			n++
		}
	}
	return n
}

// ipOf is zero for what is no literal address.
func ipOf(addr string) netip.Addr {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// foreign asks the placement driver where a node is new.
func (m *members) foreign(ctx context.Context, node placement.NodeID) (bool, error) {
	if member, ok := m.get(node); ok {
		return member.Foreign, nil
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return false, unavailable("node %s: the members of the cluster were not listed in time", node)
	}
	if member, ok := m.get(node); ok { // who had the turn before has found it
		return member.Foreign, nil
	}
	if _, err := m.refresh(ctx); err != nil {
		return false, err
	}
	member, ok := m.get(node)
	if !ok {
		return false, unavailable("node %s is not a member any more", node)
	}
	return member.Foreign, nil
}

func (m *members) refresh(ctx context.Context) ([]placement.Member, error) {
	all, err := m.list(ctx)
	if err != nil {
		return nil, unavailable("list the members of the cluster: %v", err)
	}
	byID := make(map[placement.NodeID]placement.Member, len(all))
	for i := range all {
		byID[all[i].ID] = all[i]
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
