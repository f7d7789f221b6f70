package game

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/mallee-io/mallee"
)

// Room is a place where participants hear each other.
//
//mallee:actor
type Room interface {
	// Join brings a participant in and answers how many others are there.
	Join(ctx context.Context, who mallee.ID) (others int, err error)
	// Leave takes a participant out.
	Leave(ctx context.Context, who mallee.ID) error
	// Say tells everyone else in the room, under the nickname of who says it.
	Say(ctx context.Context, from mallee.ID, text string) (line string, err error)
}

// Participant is what a room needs of those who are in it. Actors of any type
// may serve it.
//
//mallee:actor
type Participant interface {
	// Nickname is how the room introduces the participant.
	//
	//mallee:readonly
	Nickname(ctx context.Context) (string, error)
	// Hear takes a line that somebody else has said.
	//
	//mallee:oneway
	Hear(ctx context.Context, line string) error
}

type room struct {
	self    *mallee.Self
	members map[mallee.ID]bool
}

// NewRoom makes an empty room.
func NewRoom(self *mallee.Self) Room { return &room{self: self, members: make(map[mallee.ID]bool)} }

func (r *room) Join(_ context.Context, who mallee.ID) (int, error) {
	r.members[who] = true
	return len(r.members) - 1, nil
}

func (r *room) Leave(_ context.Context, who mallee.ID) error {
	delete(r.members, who)
	return nil
}

func (r *room) Say(ctx context.Context, from mallee.ID, text string) (string, error) {
	name, err := ParticipantAt(r.self, from).Nickname(ctx) // it waits for us: a nested turn
	if err != nil {
		return "", err
	}
	line := name + ": " + text
	for who := range r.members {
		if who == from {
			continue
		}
		if err := ParticipantAt(r.self, who).Hear(ctx, line); err != nil {
			return "", err
		}
	}
	return line, nil
}

// SaveForMove lets everybody stay in the room when it moves to another node.
func (r *room) SaveForMove(context.Context) ([]byte, error) {
	return json.Marshal(slices.Collect(maps.Keys(r.members)))
}

func (r *room) RestoreAfterMove(_ context.Context, state []byte) error {
	var members []mallee.ID
	if err := json.Unmarshal(state, &members); err != nil {
		return err
	}
	for _, who := range members {
		r.members[who] = true
	}
	return nil
}

var _ mallee.Migrator = (*room)(nil)
