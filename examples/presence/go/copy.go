package main

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/examples/presence/roompb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// A room is a map with three keys.
const (
	onlineKey = "online" // a map with a vote for each name: a sidecar votes for those who stay there, and one that dies does not
	visitsKey = "visits" // a counter
	lunchKey  = "lunch"  // a vote
)

// copied is a copy of a room. The sidecar says what others have changed of it, and
// is told what this program changes.
type copied struct {
	online map[string]*vote
	visits uint64
	lunch  vote
}

// vote is how the sidecars vote on something.
type vote struct {
	self         bool // how the one beside this program votes
	votes, outOf int32
}

func newCopy() *copied { return &copied{online: make(map[string]*vote), lunch: vote{outOf: 1}} }

func (c *copied) view() *roompb.View {
	v := &roompb.View{Visits: c.visits, VotesFor: c.lunch.votes, Voters: c.lunch.outOf}
	for _, name := range slices.Sorted(maps.Keys(c.online)) {
		if c.online[name].votes > 0 {
			v.Online = append(v.Online, name)
		}
	}
	return v
}

// take changes the copy as others have changed the room.
func (c *copied) take(d *crdtpb.CrdtDelta) {
	for _, e := range entries(d) {
		switch text(e.GetKey()) {
		case visitsKey:
			c.visits += e.GetDelta().GetGcounter().GetIncrement()
		case lunchKey:
			c.lunch.take(e.GetDelta())
		case onlineKey:
			c.takeOnline(e.GetDelta())
		}
	}
}

func (c *copied) takeOnline(d *crdtpb.CrdtDelta) {
	if d.GetOrmap().GetCleared() {
		clear(c.online)
	}
	for _, name := range d.GetOrmap().GetRemoved() {
		delete(c.online, text(name))
	}
	for _, e := range entries(d) {
		c.at(text(e.GetKey())).take(e.GetDelta())
	}
}

func (c *copied) at(name string) *vote {
	if c.online[name] == nil {
		c.online[name] = &vote{}
	}
	return c.online[name]
}

func (v *vote) take(d *crdtpb.CrdtDelta) {
	v.self, v.votes, v.outOf = d.GetVote().GetSelfVote(), d.GetVote().GetVotesFor(), d.GetVote().GetTotalVoters()
}

// enter, exit and wantLunch change the copy, and say what is to be changed of the
// room.
func (c *copied) enter(name string) *crdtpb.CrdtDelta {
	c.visits++
	visits := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: 1}}}
	online := insert(entry(name, c.at(name).change(true)))
	return insert(entry(visitsKey, visits), entry(onlineKey, online), entry(lunchKey, c.lunch.change(c.lunch.self)))
}

// exit removes a name that nobody votes for any more. If somebody does so at the
// same time, it stays.
func (c *copied) exit(name string) *crdtpb.CrdtDelta {
	online := insert(entry(name, c.at(name).change(false)))
	if c.at(name).votes == 0 {
		delete(c.online, name)
		online = &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{Removed: []*anypb.Any{key(name)}}}}
	}
	return insert(entry(onlineKey, online))
}

func (c *copied) wantLunch(self bool) *crdtpb.CrdtDelta {
	return insert(entry(lunchKey, c.lunch.change(self)))
}

func (v *vote) change(self bool) *crdtpb.CrdtDelta {
	switch {
	case self && !v.self:
		v.votes++
	case !self && v.self:
		v.votes--
	}
	v.self = self
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self}}}
}

// entries are what a change of a map says of its values, of old and of new ones.
func entries(d *crdtpb.CrdtDelta) []*crdtpb.ORMapEntryDelta {
	return slices.Concat(d.GetOrmap().GetUpdated(), d.GetOrmap().GetAdded())
}

// insert is a change of a map. What is there already is only changed.
func insert(entries ...*crdtpb.ORMapEntryDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{Added: entries}}}
}

func entry(name string, d *crdtpb.CrdtDelta) *crdtpb.ORMapEntryDelta {
	return &crdtpb.ORMapEntryDelta{Key: key(name), Delta: d}
}

// Keys are any bytes with the name of a type, which is for those who read them.
func key(name string) *anypb.Any {
	return &anypb.Any{TypeUrl: "presence.example.com/name", Value: []byte(name)}
}

func text(key *anypb.Any) string { return string(key.GetValue()) }
