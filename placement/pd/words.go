package pd

import (
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
)

// The words of the protocol and those of the state machines.

func memberOf(p *placementpb.Member) driver.Member {
	m := driver.Member{
		ID: driver.NodeID(p.GetId()), Name: p.GetName(), Addr: p.GetAddr(), Admin: p.GetAdmin(),
		Labels: p.GetLabels(), Foreign: p.GetForeign(), Since: time.UnixMilli(p.GetSinceUnixMs()),
	}
	for _, t := range p.GetTypes() {
		m.Types = append(m.Types, driver.Type{
			Name: t.GetName(), Interfaces: t.GetInterfaces(), Stateless: t.GetStateless(),
			Strategy: mallee.Strategy(t.GetStrategy()), Weight: int(t.GetWeight()), Labels: t.GetLabels(),
		})
	}
	return m
}

func memberPB(m *driver.Member) *placementpb.Member {
	p := &placementpb.Member{
		Id: uint64(m.ID), Name: m.Name, Addr: m.Addr, Admin: m.Admin,
		Labels: m.Labels, Foreign: m.Foreign, SinceUnixMs: m.Since.UnixMilli(),
	}
	for _, t := range m.Types {
		p.Types = append(p.Types, &placementpb.Type{
			Name: t.Name, Interfaces: t.Interfaces, Stateless: t.Stateless,
			Strategy: uint32(t.Strategy), Weight: int64(t.Weight), Labels: t.Labels,
		})
	}
	return p
}

func idOf(p *placementpb.Actor) mallee.ID { return mallee.ID{Type: p.GetType(), Key: p.GetKey()} }

func grantPB(id mallee.ID, epoch uint64) *placementpb.Grant {
	return &placementpb.Grant{Actor: &placementpb.Actor{Type: id.Type, Key: id.Key}, Epoch: epoch}
}

// heldOf reads a part of a report.
func heldOf(grants []*placementpb.Grant) ([]driver.Held, error) {
	held := make([]driver.Held, len(grants))
	for i, g := range grants {
		held[i] = driver.Held{ID: idOf(g.GetActor()), Epoch: g.GetEpoch()}
		if err := held[i].ID.Validate(); err != nil {
			return nil, err
		}
	}
	return held, nil
}
