// Package words turns the messages of the placement driver's protocol into the
// words of its state machines, and back, for both ends of it.
package words

import (
	"math"
	"time"

	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
)

// Member reads a member, which may be missing. A strategy of a later version
// stays what it is, or becomes the highest that there can be.
func Member(message *placementpb.Member) driver.Member {
	m := driver.Member{
		ID: driver.NodeID(message.GetId()), Name: message.GetName(), Addr: message.GetAddr(), Admin: message.GetAdmin(),
		Labels: message.GetLabels(), Foreign: message.GetForeign(), Since: time.UnixMilli(message.GetSinceUnixMs()),
	}
	for _, t := range message.GetTypes() {
		m.Types = append(m.Types, driver.Type{
			Name: t.GetName(), Interfaces: t.GetInterfaces(), Stateless: t.GetStateless(),
			Strategy: mallee.Strategy(min(t.GetStrategy(), math.MaxUint8)), Weight: int(t.GetWeight()), Labels: t.GetLabels(),
		})
	}
	return m
}

// MemberMessage is a member as it travels. One that has not joined yet, without
// a time, has none there either.
func MemberMessage(m *driver.Member) *placementpb.Member {
	message := &placementpb.Member{
		Id: uint64(m.ID), Name: m.Name, Addr: m.Addr, Admin: m.Admin, Labels: m.Labels, Foreign: m.Foreign,
	}
	if !m.Since.IsZero() {
		message.SinceUnixMs = m.Since.UnixMilli()
	}
	for _, t := range m.Types {
		message.Types = append(message.Types, &placementpb.Type{
			Name: t.Name, Interfaces: t.Interfaces, Stateless: t.Stateless,
			Strategy: uint32(t.Strategy), Weight: int64(t.Weight), Labels: t.Labels,
		})
	}
	return message
}

// ID reads the name of an actor, which may be missing.
func ID(message *placementpb.Actor) mallee.ID {
	return mallee.ID{Type: message.GetType(), Key: message.GetKey()}
}

// GrantMessage is a grant as it travels; who holds it is said elsewhere.
func GrantMessage(id mallee.ID, epoch uint64) *placementpb.Grant {
	return &placementpb.Grant{Actor: &placementpb.Actor{Type: id.Type, Key: id.Key}, Epoch: epoch}
}

// Error reads an error.
func Error(message *placementpb.Error) *mallee.Error {
	return mallee.AsError(&mallee.Error{Code: mallee.Code(message.GetCode()), Message: message.GetMessage()})
}

// ErrorMessage is an error as it travels.
func ErrorMessage(err error) *placementpb.Error {
	e := mallee.AsError(err)
	return &placementpb.Error{Code: string(e.Code), Message: e.Message}
}

// Cause is the error in the details of a gRPC status; nil when there is none.
func Cause(err error) *mallee.Error {
	for _, detail := range status.Convert(err).Details() {
		if e, ok := detail.(*placementpb.Error); ok {
			return Error(e)
		}
	}
	return nil
}
