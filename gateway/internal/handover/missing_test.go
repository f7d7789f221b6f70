package handover_test

import (
	"slices"
	"testing"

	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/placement"
)

// What is missing may have been a Marker: it is asked for again, by whichever way
// it was to come.
func TestMissingMarkers(t *testing.T) {
	t.Parallel()
	const x, a, c = placement.NodeID(7), placement.NodeID(1), placement.NodeID(3)
	from, at, to := uint64(a)*10_000_000_000+1, uint64(2)*10_000_000_000+1, uint64(c)*10_000_000_000+1
	push := handover.Order{Kind: handover.Other, Origin: x, Name: "kick"}
	begin := func() *handover.Table {
		table := handover.NewTable(&handover.Bounds{Messages: 10, Bytes: 1000})
		table.Taking(at, from)
		table.Taken(at)
		table.Direct(at, push)
		return table
	}
	unknown := func(origin placement.NodeID) handover.Effect {
		return handover.Effect{Do: handover.Deliver, At: at, Order: handover.Order{Kind: handover.Unknown, Origin: origin}}
	}
	flush := handover.Effect{Do: handover.Flush, Node: x, From: from, At: at}
	want := func(what string, got []handover.Effect, want ...handover.Effect) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b handover.Effect) bool {
			return a.Do == b.Do && a.Node == b.Node && a.At == b.At && a.From == b.From && a.Order.Kind == b.Order.Kind && a.Order.Origin == b.Order.Origin
		}) {
			t.Errorf("%s: %+v", what, got)
		}
	}
	table := begin()
	want("of the gateway where it was", table.Missing(a), unknown(a), flush)
	table = begin()
	want("of the node, on its way to the gateway where it was", table.Forwarded(at, handover.Order{Kind: handover.Unknown, Origin: x}), unknown(x), flush)
	table = begin()
	want("of the node, on its way here", table.Missing(x))
	want("and the Marker", table.Forwarded(at, handover.Order{Kind: handover.Marker, Origin: x}),
		handover.Effect{Do: handover.Deliver, At: at, Order: push}, unknown(x))
	want("again", table.Missing(a), unknown(a))

	gone := handover.NewTable(&handover.Bounds{Messages: 10, Bytes: 1000})
	gone.Give(1, at, to)
	want("of a session that has gone", gone.Missing(x),
		handover.Effect{Do: handover.Forward, Node: c, From: at, At: to, Order: handover.Order{Kind: handover.Unknown, Origin: x}})
}
