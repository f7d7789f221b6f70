// Package arena is a game of many players in a page. A pilot is an actor that a
// client talks to, a field is an actor that several of them fly in: it ticks
// twenty times in a second and sends what has happened to all who are there.
// Nodes may die meanwhile: the clients stay connected to their gateway, a field
// goes on where it was a second ago, and what a pilot has earned is kept.
package arena

import "github.com/mallee-io/mallee"

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Types are the actor types of the game, for node.Config. The page shows the
// name of the node on which an actor lives.
func Types(node string) []mallee.Type {
	return []mallee.Type{
		PilotType(func(self *mallee.Self) Pilot { return newPilot(self, node) }),
		FieldType(func(self *mallee.Self) Field { return newField(self, node) }),
		HallType(newHall),
		doorType(),
	}
}

// Errors of the game.
var (
	ErrAbsent = mallee.NewError("arena.absent", "the pilot is not in the field")
	ErrInput  = mallee.NewError("arena.input", "the client says what makes no sense")
	ErrFull   = mallee.NewError("arena.full", "the field has no room left")
)
