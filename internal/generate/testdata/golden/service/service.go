// WANT: // proto: shop.proto\n// proto path: proto
// WANT: // Shop sells.\n//\n// It closes at night.\n//\n// It is the service com.example.shop.Shop. Left out, because a call has one\n// message and one answer: Watch, Fill.\ntype Shop interface {
// WANT: // Buy takes one of them\n// out of stock.\nBuy(ctx context.Context, in *wrapperspb.StringValue) (*emptypb.Empty, error)
// WANT: LookAround(ctx context.Context, in *emptypb.Empty) (*structpb.ListValue, error)\n}
// WANT: {Name: "look_around", Doc: "", New: func() mallee.Call { return new(shopLookAroundCall) }},
// WANT: func (*shopLookAroundCall) Method() string { return "look_around" }
// WANT: func (*shopLookAroundCall) Interface() string { return "com.example.shop.Shop" }
// WANT: return ShopRef{caller, mallee.ID{Type: "com.example.shop.Shop", Key: key}}
// WANT: type Sealed interface {\n}
// WANT: message and one answer: Talk.
// WANT: Ring(ctx context.Context, in *emptypb.Empty) (*odd.Outer_Inner, error)
// WANT: func CounterOf(
// WANT: {Name: "Add", Doc: "", New: func() mallee.Call { return new(counterAddCall) }},
// NOT: shopWatchCall
// NOT: type Counter interface

// Package service has an interface and the services of a proto.
package service

import (
	"context"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Counter takes the same message as a service.
//
//mallee:actor
type Counter interface {
	Add(ctx context.Context, n *wrapperspb.StringValue) error
}
