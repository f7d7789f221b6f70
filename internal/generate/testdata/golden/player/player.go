// WANT: func PlayerOf(caller mallee.Caller, key string) PlayerRef
// WANT: func (r PlayerRef) Give(ctx context.Context, item string, n int) (total int, err error)
// WANT: // Give puts n of an item into the bag.
// WANT: Flags() mallee.CallFlags { return mallee.OneWay }
// WANT: Flags() mallee.CallFlags { return mallee.ReadOnly }
// WANT: fresh.Result = copyItemSlice(&c, call.results.Result)
// NOT: copyItem(
// NOT: call.args.Item = copy

// Package player is the actor of the documentation.
package player

import "context"

// Player is one player of the game.
//
//mallee:actor
type Player interface {
	Echo(ctx context.Context, msg string) (string, error)
	// Give puts n of an item into the bag.
	Give(ctx context.Context, item string, n int) (total int, err error)
	//mallee:oneway
	Poke(ctx context.Context) error
	//mallee:readonly
	Bag(ctx context.Context) ([]Item, error)
}

// Item is in a bag.
type Item struct {
	Name  string
	Count int
}
