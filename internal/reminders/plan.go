package reminders

import (
	"time"

	"github.com/mallee-io/mallee"
)

// entry is a reminder as the store keeps it.
type entry struct {
	Actor    mallee.ID      `json:"actor"`
	Name     string         `json:"name"`
	First    time.Time      `json:"first"`
	Every    time.Duration  `json:"every"` // nanoseconds
	CatchUp  mallee.CatchUp `json:"catchUp"`
	Due      time.Time      `json:"due"` // the occurrence that is next
	At       time.Time      `json:"at"`  // when it is tried: Due, or later after a failure
	Missed   int            `json:"missed,omitempty"`
	Failures int            `json:"failures,omitempty"` // tries of this occurrence
}

// newEntry makes the entry of a reminder that has been validated.
func newEntry(actor mallee.ID, r mallee.Reminder, now time.Time) entry {
	if r.First.IsZero() {
		r.First = now.Add(r.Every)
	}
	first := r.First.UTC().Round(0)
	return entry{Actor: actor, Name: r.Name, First: first, Every: r.Every, CatchUp: r.CatchUp, Due: first, At: first}
}

func (e *entry) reminder() mallee.Reminder {
	return mallee.Reminder{Name: e.Name, First: e.First, Every: e.Every, CatchUp: e.CatchUp, Due: e.Due, Missed: e.Missed}
}

// grace is how late an occurrence may be that CatchUpSkip still fires.
const grace = time.Minute

// catchUp moves the entry, whose time has come, to the occurrence that is to
// fire now. It reports false when none is.
func (e *entry) catchUp(now time.Time) (fires bool) {
	if e.Every > 0 && e.CatchUp != mallee.CatchUpEach {
		if passed := now.Sub(e.Due) / e.Every; passed > 0 {
			e.advance(int(passed))
		}
	}
	return e.CatchUp != mallee.CatchUpSkip || now.Sub(e.Due) <= grace
}

// advance leaves n occurrences out.
func (e *entry) advance(n int) {
	e.Due = e.Due.Add(time.Duration(n) * e.Every)
	e.Missed += n
}

// done moves the entry on after its occurrence has fired, or was left out. It
// reports false for the last one.
func (e *entry) done(fired bool) (more bool) {
	if e.Every == 0 {
		return false
	}
	e.advance(1)
	if fired {
		e.Missed = 0
	}
	e.At, e.Failures = e.Due, 0
	return true
}

// Pauses between tries of an occurrence.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// failed moves the entry to its next try.
func (e *entry) failed(now time.Time) {
	pause := lastPause
	if e.Failures < 9 { // 1<<9 seconds are more
		pause = min(firstPause<<e.Failures, lastPause)
	}
	e.Failures++
	e.At = now.Add(pause).UTC().Round(0)
}
