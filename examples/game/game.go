// Package game is a small living game: players with a bag, rooms in which they
// talk, and a leaderboard. mallee demo runs it.
package game

import "github.com/mallee-io/mallee"

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Types are the actor types of the game, for node.Config.
func Types() []mallee.Type {
	return []mallee.Type{
		PlayerType(NewPlayer, mallee.Serves(ParticipantInterface())),
		RoomType(NewRoom),
		LeaderboardType(NewLeaderboard),
	}
}
