package koalahttp

import (
	"slices"
	"time"
)

// EventLife is how long a change is told: Koala's hosts and gateways forget a
// member only when they are told that it left. Koala promises a minute, and
// hosts ask every third of a lease; but a host whose requests get lost lives on
// until its lease ends, and must not have missed who left by then.
const EventLife = maxTTL * time.Second

// history remembers who joined and left lately. It has no clock: times come
// with the calls, and one before the last change counts as that one's.
type history struct {
	changes []change // by time, at most one of an ID
}

type change struct {
	at   time.Time
	id   int64
	left bool
}

// join notes a new member.
func (h *history) join(now time.Time, id int64) { h.note(now, id, false) }

// leave notes that a member is none any more, for whatever reason.
func (h *history) leave(now time.Time, id int64) { h.note(now, id, true) }

func (h *history) note(now time.Time, id int64, left bool) {
	if n := len(h.changes); n > 0 && now.Before(h.changes[n-1].at) {
		now = h.changes[n-1].at
	}
	h.forget(now)
	h.changes = slices.DeleteFunc(h.changes, func(c change) bool { return c.id == id })
	h.changes = append(h.changes, change{now, id, left})
}

func (h *history) forget(now time.Time) {
	h.changes = slices.DeleteFunc(h.changes, func(c change) bool { return now.Sub(c.at) >= EventLife })
}

// recent lists the events to tell, the oldest first, each change once: who has
// joined and left is told to have left.
func (h *history) recent(now time.Time) []Event {
	h.forget(now)
	var events []Event
	for _, c := range h.changes {
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
