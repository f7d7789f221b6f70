package placement

import (
	"context"
	"sync/atomic"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

// Solo is the Driver of a node that is alone: it owns every actor and never
// loses its lease, so there is nothing to remember but the epochs, which the
// store of the node keeps. Should two such nodes share a store, neither can
// harm what the other has written: the one that started first is fenced.
func Solo(store storage.Store) Driver { return &solo{epochs: epochs{store: store}} }

type solo struct {
	epochs epochs
	member atomic.Pointer[Member]
}

// Alone says that there are no other nodes, and no network is needed.
func (s *solo) Alone() bool { return true }

const soloID NodeID = 1

func (s *solo) Join(ctx context.Context, m Member, _ Control) (Lease, error) {
	if _, err := s.epochs.take(ctx); err != nil { // a store that does not work is found out now
		return Lease{}, err
	}
	m.ID = soloID
	if !s.member.CompareAndSwap(nil, &m) {
		return Lease{}, mallee.ErrInvalid.Errorf("placement.Solo is for one node, and node %s has joined", s.member.Load().Name)
	}
	return Lease{ID: soloID}, nil
}

func (s *solo) Renew(context.Context, NodeID, Status) error { return nil }

func (s *solo) Leave(context.Context, NodeID) error {
	s.member.Store(nil)
	return nil
}

func (s *solo) Members(context.Context) ([]Member, error) {
	if m := s.member.Load(); m != nil {
		return []Member{*m}, nil
	}
	return nil, nil
}

func (s *solo) Locate(ctx context.Context, _ NodeID, id mallee.ID) (Grant, error) {
	m := s.member.Load()
	if m == nil {
		return Grant{}, mallee.ErrUnavailable.Errorf("the node has left").BeforeRun()
	}
	t, ok := m.Hosts(id.Type)
	if !ok {
		return Grant{}, noHost(id.Type)
	}
	if t.Stateless {
		return Grant{Node: soloID}, nil
	}
	epoch, err := s.epochs.take(ctx)
	if err != nil {
		return Grant{}, mallee.ErrUnavailable.Errorf("%v", err).BeforeRun()
	}
	return Grant{Node: soloID, Epoch: epoch}, nil
}

func (s *solo) Successor(context.Context, NodeID, mallee.ID) (NodeID, error) {
	return 0, mallee.ErrUnavailable.Errorf("the node is alone").BeforeRun()
}

func (s *solo) Release(context.Context, mallee.ID, Grant, NodeID) error { return nil }

func noHost(actorType string) error {
	return mallee.ErrNotFound.Errorf("no node hosts actor type %s; give it to node.Config.Types", actorType).BeforeRun()
}
