package mallee_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/node"
)

// Who is online, for all nodes to see: here there is only one.
func ExampleReplicated() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	online := mallee.NewReplicated[crdt.ORSet[string]](n, mallee.ID{Type: "Online", Key: "world"})
	if err := online.Wait(ctx, crdt.Local); err != nil { // this node has what the others have
		fmt.Println(err)
	}

	if err := online.Value.Add("ann", "bob", "eve"); err != nil {
		fmt.Println(err)
	}
	if err := online.Value.Remove("eve"); err != nil {
		fmt.Println(err)
	}
	for name, err := range online.Value.All() {
		fmt.Println(name, err)
	}
	fmt.Println(online.Wait(ctx, crdt.Majority)) // most nodes have it now, and the store
	fmt.Println(n.Stop(ctx))
	// Output:
	// ann <nil>
	// bob <nil>
	// <nil>
	// <nil>
}

func ExampleReplicated_Changes() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	likes := mallee.NewReplicated[crdt.PNCounter](n, mallee.ID{Type: "Likes", Key: "a photo"})
	if err := likes.Wait(ctx, crdt.Local); err != nil {
		fmt.Println(err)
	}
	for count := range likes.Changes(ctx) {
		now, err := count.Value()
		fmt.Println(now, err)
		if now == 2 {
			break
		}
		if _, err := likes.Value.Add(1); err != nil { // or anybody else, on any node
			fmt.Println(err)
		}
	}
	fmt.Println(n.Stop(ctx))
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
	// <nil>
}

// A map has values of any kind at its keys.
func ExampleNewReplicated() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	type player struct {
		Name string
		Hue  int
	}
	game := mallee.NewReplicated[crdt.ORMap[string]](n, mallee.ID{Type: "Game", Key: "7"})
	if err := game.Wait(ctx, crdt.Local); err != nil {
		fmt.Println(err)
	}
	score := crdt.At[crdt.PNCounter](crdt.At[crdt.ORMap[string]](game.Value, "scores"), "ann")
	if _, err := score.Add(5); err != nil {
		fmt.Println(err)
	}
	fmt.Println(score.Add(-1))
	if err := crdt.At[crdt.Register[player]](game.Value, "leader").Set(player{"ann", 140}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(crdt.At[crdt.Register[player]](game.Value, "leader").Get())
	for key, err := range game.Value.Keys() {
		fmt.Println(key, err)
	}
	fmt.Println(n.Stop(ctx))
	// Output:
	// 4 <nil>
	// {ann 140} true <nil>
	// leader <nil>
	// scores <nil>
	// <nil>
}
