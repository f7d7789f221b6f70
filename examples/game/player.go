package game

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/mallee-io/mallee"
)

// Player is one player of the game.
//
//mallee:actor
type Player interface {
	// Echo answers with the message.
	Echo(ctx context.Context, msg string) (string, error)
	// Give puts n of an item into the bag and answers how many are there now.
	Give(ctx context.Context, item string, n int) (total int, err error)
	// Bag lists what the player has.
	//
	//mallee:readonly
	Bag(ctx context.Context) (items map[string]int, err error)
	// Enter goes into a room, and out of the one where the player was.
	Enter(ctx context.Context, room string) (others int, err error)
	// Chat says something in the room where the player is.
	Chat(ctx context.Context, text string) (line string, err error)
	// Presence tells where the player is and for how long.
	//
	//mallee:readonly
	Presence(ctx context.Context) (Presence, error)
}

// Presence is where a player is.
type Presence struct {
	Room   string
	Online time.Duration // since the activation, in whole seconds
	Heard  int           // lines that others have said
}

// Errors of players.
var (
	ErrNoRoom    = mallee.NewError("game.no_room", "the player is in no room")
	ErrBadAmount = mallee.NewError("game.bad_amount", "amount must be positive")
)

// Bag is what a player owns. It is saved.
type Bag struct{ Items map[string]int }

type player struct {
	self     *mallee.Self
	bag      *mallee.State[Bag]
	presence Presence
}

// NewPlayer makes a player. It serves Player and Participant.
func NewPlayer(self *mallee.Self) Player {
	return &player{self: self, bag: mallee.NewState[Bag](self, "bag")}
}

// OnActivate starts the presence timer.
func (p *player) OnActivate(context.Context) error {
	if p.bag.Value.Items == nil {
		p.bag.Value.Items = make(map[string]int)
	}
	p.self.Every(time.Second, func(context.Context) { p.presence.Online += time.Second })
	return nil
}

func (p *player) Echo(_ context.Context, msg string) (string, error) { return msg, nil }

func (p *player) Give(ctx context.Context, item string, n int) (int, error) {
	if n <= 0 {
		return 0, ErrBadAmount.Errorf("cannot give %d of %s", n, item)
	}
	p.bag.Value.Items[item] += n
	if err := p.bag.Save(ctx); err != nil {
		return 0, err
	}
	score := 0
	for _, owned := range p.bag.Value.Items {
		score += owned
	}
	err := LeaderboardOf(p.self, "world").Report(ctx, p.self.Key(), score)
	return p.bag.Value.Items[item], err
}

func (p *player) Bag(context.Context) (map[string]int, error) {
	return maps.Clone(p.bag.Value.Items), nil
}

func (p *player) Enter(ctx context.Context, room string) (int, error) {
	if p.presence.Room != "" && p.presence.Room != room {
		if err := RoomOf(p.self, p.presence.Room).Leave(ctx, p.self.ID()); err != nil {
			return 0, err
		}
		p.presence.Room = ""
	}
	others, err := RoomOf(p.self, room).Join(ctx, p.self.ID())
	if err != nil {
		return 0, err
	}
	p.presence.Room = room
	return others, nil
}

// Chat waits for the room, which asks this player for its nickname: that call
// back runs as a nested turn.
func (p *player) Chat(ctx context.Context, text string) (string, error) {
	if p.presence.Room == "" {
		return "", ErrNoRoom.Errorf("player %s is in no room; enter one first", p.self.Key())
	}
	return RoomOf(p.self, p.presence.Room).Say(ctx, p.self.ID(), text)
}

func (p *player) Presence(context.Context) (Presence, error) { return p.presence, nil }

func (p *player) Nickname(context.Context) (string, error) {
	return fmt.Sprintf("%s (%d items)", p.self.Key(), len(p.bag.Value.Items)), nil
}

func (p *player) Hear(context.Context, string) error {
	p.presence.Heard++
	return nil
}

var (
	_ Participant      = (*player)(nil)
	_ mallee.Activator = (*player)(nil)
)
