package mallee_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
)

func Example() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{
		game.PlayerType(game.NewPlayer),
		game.LeaderboardType(game.NewLeaderboard),
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	player := game.PlayerOf(n, "1001")
	for range 2 {
		total, err := player.Give(ctx, "sword", 1)
		fmt.Println(total, err)
	}
	_, err = player.Give(ctx, "sword", -1)
	fmt.Println(errors.Is(err, game.ErrBadAmount), err)
	fmt.Println(n.Stop(ctx))
	// Output:
	// 1 <nil>
	// 2 <nil>
	// true game.bad_amount: cannot give -1 of sword
	// <nil>
}

func ExampleServes() {
	// Rooms know only participants; players are participants too.
	players := game.PlayerType(game.NewPlayer, mallee.Serves(game.ParticipantInterface()))
	for _, i := range players.Interfaces {
		fmt.Println(players.Name, "serves", i.Name)
	}
	// Output:
	// Player serves Player
	// Player serves Participant
}

func ExampleNewError() {
	bad := mallee.NewError("game.bad_name", "the name is bad")
	err := bad.Errorf("%q has a digit", "b0b")
	fmt.Println(err, errors.Is(err, bad), mallee.SafeToRetry(err))
	// Output: game.bad_name: "b0b" has a digit true false
}

func ExampleParseID() {
	id, err := mallee.ParseID("Player/1001")
	fmt.Println(id.Type, id.Key, err, id.Key == mallee.IntKey(1001))
	// Output: Player 1001 <nil> true
}
