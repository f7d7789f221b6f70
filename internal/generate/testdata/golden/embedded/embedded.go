// WANT: func (r DoorRef) Knock(ctx context.Context) error
// WANT: func (*doorKnockCall) Flags() mallee.CallFlags { return mallee.OneWay }
// WANT: // Knock is heard or not.
// WANT: func (*doorLookCall) Flags() mallee.CallFlags { return mallee.ReadOnly }
// WANT: {Name: "Open", Doc: "Open comes first, though Knock stands in an earlier file.", New: func() mallee.Call { return new(doorOpenCall) }},\n\t\t\t{Name: "Knock", Doc: "Knock is heard or not.", New: func() mallee.Call { return new(doorKnockCall) }},\n\t\t\t{Name: "Look",
// WANT: func EmptyOf(
// NOT: copyMap
// NOT: copyLabels

// Package embedded has an actor interface with methods of other files and packages.
package embedded

import (
	"context"

	"github.com/mallee-io/mallee/internal/generate/testdata/golden/embedded/other"
)

// Door is one.
//
//mallee:actor
type Door interface {
	other.Looker
	Knocker
	// Open comes first, though Knock stands in an earlier file.
	Open(ctx context.Context, labels other.Labels, plan *other.Plan) (other.Labels, error)
}

// Empty has no methods yet.
//
//mallee:actor
type Empty interface{}
