package mallee

import (
	"context"
	"slices"
)

// Group is sessions that get the same messages, such as those in one room. It
// follows them: a session that its client has taken up again at another gateway
// stays in the group, and one that has ended leaves it. It belongs to an
// activation, and its methods are for that actor's turns; keep Sessions in a
// state where the next activation is to have the same group.
type Group struct {
	self *Self
	at   []uint64           // where the sessions are, in ascending order: so those of one gateway stand together
	of   map[uint64]Session // by where they are
	now  map[uint64]uint64  // by ID, where those are that began elsewhere
}

// NewGroup makes an empty group, which lives as long as the activation: make it
// in the constructor of the actor, or when a room opens for good.
func NewGroup(self *Self) *Group {
	g := &Group{self: self, of: make(map[uint64]Session), now: make(map[uint64]uint64)}
	self.activation.OnMoved(g.moved)
	return g
}

// Join adds a session. One that is in the group already is from now on where s
// says.
func (g *Group) Join(s Session) {
	g.Leave(s)
	i, taken := slices.BinarySearch(g.at, s.At)
	if taken { // two cannot be at one place: the other is of the past
		g.remove(i, i+1)
	}
	g.at = slices.Insert(g.at, i, s.At)
	g.of[s.At] = s
	if s.At != s.ID {
		g.now[s.ID] = s.At
	}
}

// Leave takes a session out and reports whether it was in the group.
func (g *Group) Leave(s Session) bool {
	at, moved := g.now[s.ID]
	if !moved {
		at = s.ID
	}
	if one, ok := g.of[at]; !ok || one.ID != s.ID {
		return false
	}
	i, _ := slices.BinarySearch(g.at, at)
	g.remove(i, i+1)
	return true
}

// Send gives a message to all sessions of the group, as Self.Send does.
func (g *Group) Send(ctx context.Context, m Message) error {
	return g.self.activation.Push(ctx, m, g.at)
}

// Len is the number of sessions.
func (g *Group) Len() int { return len(g.at) }

// Sessions lists the group.
func (g *Group) Sessions() []Session {
	all := make([]Session, len(g.at))
	for i, at := range g.at {
		all[i] = g.of[at]
	}
	return all
}

// moved is told where sessions are now.
func (g *Group) moved(first, last, to uint64) {
	from, _ := slices.BinarySearch(g.at, first)
	end, there := slices.BinarySearch(g.at, last)
	if there {
		end++
	}
	if from == end {
		return
	}
	s := g.of[g.at[from]]
	g.remove(from, end)
	if to != 0 { // it is one session
		s.At = to
		g.Join(s)
	}
}

// remove takes out a part of the list.
func (g *Group) remove(from, end int) {
	for _, at := range g.at[from:end] {
		delete(g.now, g.of[at].ID)
		delete(g.of, at)
	}
	g.at = slices.Delete(g.at, from, end)
}
