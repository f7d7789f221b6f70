package mallee_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
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

// Who is in a room is only in its memory (examples/game/room.go), and the room
// takes it along when its node stops.
func ExampleMigrator() {
	ctx := context.Background()
	cluster := placement.Memory(time.Minute)
	config := node.Config{Types: game.Types(), Placement: cluster, Store: storage.Memory()}
	first, err := node.Start(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	hall := game.RoomOf(first, "hall")
	fmt.Println(hall.Join(ctx, game.PlayerOf(nil, "ann").ID()))

	second, err := node.Start(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Stop(ctx))
	hall = game.RoomOf(second, "hall")
	fmt.Println(hall.Join(ctx, game.PlayerOf(nil, "bob").ID()))
	fmt.Println(second.Stop(ctx))
	// Output:
	// 0 <nil>
	// <nil>
	// 1 <nil>
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

// A record names its own key.
type visit struct {
	Number int
	Guest  string
}

func (v *visit) Key2() int { return v.Number }

func ExampleTable() {
	type inn struct{ visits *mallee.Table[visit, int] }
	run, stop := exampleActor(func(self *mallee.Self) *inn {
		return &inn{visits: mallee.NewTable(self, "visits", (*visit).Key2)}
	})
	defer stop()
	run(func(ctx context.Context, i *inn) error {
		return i.visits.Put(ctx, visit{2, "Grace"}, visit{10, "Edsger"}, visit{1, "Ada"})
	})
	run(func(ctx context.Context, i *inn) error {
		for v, err := range i.visits.Range(ctx, 1, 10) {
			fmt.Println(v.Number, v.Guest, err)
		}
		return nil
	})
	// Output:
	// 1 Ada <nil>
	// 2 Grace <nil>
}

// What happens to a thermometer, and what it adds up to.
type (
	measured struct{ Degrees int }
	hottest  struct{ Degrees int }
)

func (h *hottest) apply(m measured) { h.Degrees = max(h.Degrees, m.Degrees) }

func ExampleJournal() {
	events := mallee.NewEvents((*hottest).apply,
		mallee.EventOf[measured, measured]("measured", 2),
		// In its first version the event had tenths of degrees.
		mallee.Upcast("measured", 1, func(old struct{ Tenths int }) measured { return measured{old.Tenths / 10} }),
	)
	type thermometer struct {
		journal *mallee.Journal[hottest, measured]
	}
	run, stop := exampleActor(func(self *mallee.Self) *thermometer {
		return &thermometer{mallee.NewJournal(self, "degrees", events)}
	})
	defer stop()
	run(func(ctx context.Context, t *thermometer) error {
		err := t.journal.Append(ctx, measured{19}, measured{23}, measured{21})
		fmt.Println(t.journal.State.Degrees, t.journal.Sequence())
		return err
	})
	// Output: 23 3
}

func ExampleNewReminders() {
	type plant struct{ reminders mallee.Reminders }
	run, stop := exampleActor(func(self *mallee.Self) *plant {
		return &plant{mallee.NewReminders(self, func(_ context.Context, due mallee.Reminder) error {
			fmt.Println("water me", due.Due)
			return nil
		})}
	})
	defer stop()
	run(func(ctx context.Context, p *plant) error {
		return p.reminders.Set(ctx, mallee.Reminder{Name: "water", Every: 24 * time.Hour})
	})
	run(func(ctx context.Context, p *plant) error {
		all, err := p.reminders.List(ctx)
		fmt.Println(len(all), all[0].Name, all[0].Every)
		return err
	})
	// Output: 1 water 24h0m0s
}

// exampleActor starts a node with one actor, for code to run in its turns.
// Programs call their actors by generated references instead.
func exampleActor[A any](create func(*mallee.Self) A) (run func(func(context.Context, A) error), stop func()) {
	ctx := context.Background()
	typ := mallee.NewType(mallee.Interface{Name: "Probe"}, func(self *mallee.Self) any { return create(self) })
	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{typ}})
	if err != nil {
		panic(err)
	}
	run = func(code func(context.Context, A) error) {
		err := n.Invoke(ctx, mallee.ID{Type: "Probe", Key: "a"}, turn(func(ctx context.Context, actor any) error { return code(ctx, actor.(A)) }))
		if err != nil {
			fmt.Println(err)
		}
	}
	return run, func() { _ = n.Stop(ctx) }
}
