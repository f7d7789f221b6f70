package placement

import (
	"math"
	"time"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
)

func size(id mallee.ID) int { return len(id.Type) + len(id.Key) + batchOverhead }

func grantMessage(h driver.Held) *pb.Grant {
	return &pb.Grant{Actor: &pb.Actor{Type: h.ID.Type, Key: h.ID.Key}, Epoch: h.Epoch}
}

// actorID is of an actor that may be missing.
func actorID(a *pb.Actor) mallee.ID { return mallee.ID{Type: a.GetType(), Key: a.GetKey()} }

func memberMessage(m Member) *pb.Member {
	message := &pb.Member{Name: m.Name, Addr: m.Addr, Admin: m.Admin, Labels: m.Labels, Foreign: m.Foreign}
	for _, t := range m.Types {
		message.Types = append(message.Types, &pb.Type{
			Name: t.Name, Interfaces: t.Interfaces, Stateless: t.Stateless,
			Strategy: uint32(t.Strategy), Weight: int64(t.Weight), Labels: t.Labels,
		})
	}
	return message
}

// memberOf is a member that the placement driver tells of. A strategy of a
// later version stays what it is, or becomes the highest that there can be.
func memberOf(message *pb.Member) Member {
	m := Member{
		ID: NodeID(message.GetId()), Name: message.GetName(), Addr: message.GetAddr(), Admin: message.GetAdmin(),
		Labels: message.GetLabels(), Foreign: message.GetForeign(), Since: time.UnixMilli(message.GetSinceUnixMs()),
	}
	for _, t := range message.GetTypes() {
		m.Types = append(m.Types, Type{
			Name: t.GetName(), Interfaces: t.GetInterfaces(), Stateless: t.GetStateless(),
			Strategy: mallee.Strategy(min(t.GetStrategy(), math.MaxUint8)), Weight: int(t.GetWeight()), Labels: t.GetLabels(),
		})
	}
	return m
}

// maxLease bounds what is believed of a lease's length.
const maxLease = 24 * time.Hour

func leaseTime(ms int64) (time.Duration, error) {
	if ms <= 0 || ms > maxLease.Milliseconds() {
		return 0, mallee.ErrUnavailable.Errorf("the placement driver tells of a lease of %d ms; it has to be between 1 ms and %s", ms, maxLease)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
