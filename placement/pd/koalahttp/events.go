package koalahttp

import (
	"slices"
	"time"
)

// EventLife is how long a change is told. Koala promises a minute, and hosts ask
// every third of a lease; but a host whose requests get lost lives on until its
// lease ends, and must not have missed who left by then.
const EventLife = maxTTL * time.Second

// Events remembers who joined and left lately: Koala's hosts and gateways
// forget a member only when they are told that it left. The zero Events is
// empty. It has no clock: times come with the calls, and one before the last
// change counts as that one's. It is not safe for concurrent use.
//
// A process that begins to watch the members has to call Leave for each that
// left within EventLife while it did not look.
type Events struct {
	changes []change // by time, at most one of an ID
}

type change struct {
	at   time.Time
	id   int64
	left bool
}

// Join notes a new member.
func (e *Events) Join(now time.Time, id int64) { e.note(now, id, false) }

// Leave notes that a member is none any more, for whatever reason.
func (e *Events) Leave(now time.Time, id int64) { e.note(now, id, true) }

func (e *Events) note(now time.Time, id int64, left bool) {
	if n := len(e.changes); n > 0 && now.Before(e.changes[n-1].at) {
		now = e.changes[n-1].at
	}
	e.forget(now)
	e.changes = slices.DeleteFunc(e.changes, func(c change) bool { return c.id == id })
	e.changes = append(e.changes, change{now, id, left})
}

func (e *Events) forget(now time.Time) {
	e.changes = slices.DeleteFunc(e.changes, func(c change) bool { return now.Sub(c.at) >= EventLife })
}

// Recent lists the events to tell, the oldest first, each change once: who has
// joined and left is told to have left.
func (e *Events) Recent(now time.Time) []Event {
	e.forget(now)
	var events []Event
	for _, c := range e.changes {
		at := c.at.UnixMilli()
		if n := len(events); n == 0 || events[n-1].Time != at {
			events = append(events, Event{Time: at})
		}
		last := &events[len(events)-1]
		if c.left {
			last.Remove = append(last.Remove, c.id)
		} else {
			last.Add = append(last.Add, c.id)
		}
	}
	return events
}
