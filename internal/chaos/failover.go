package chaos

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// failovers are how long actors were away whose node was killed: from its end
// to the return of the first call that another life has answered. Actors that
// nobody called again are not among them.
func failovers(h *History) (away []time.Duration) {
	answered := make(map[int64]*Call)
	for i := range h.Calls {
		if c := &h.Calls[i]; c.Outcome == OK {
			answered[c.Op] = c
		}
	}
	actors := make(map[mallee.ID][]Turn)
	for _, t := range h.Turns {
		actors[t.Actor] = append(actors[t.Actor], t)
	}
	for _, turns := range actors {
		slices.SortFunc(turns, func(a, b Turn) int { return cmp.Compare(a.Begin, b.Begin) })
		for _, e := range h.kills() {
			if d, ok := awayAfter(e, turns, answered); ok {
				away = append(away, d)
			}
		}
	}
	return away
}

// kills are the ends of nodes that were killed.
func (h *History) kills() (kills []Exit) {
	for _, e := range h.Exits {
		if slices.ContainsFunc(h.Faults, func(f Injected) bool {
			return f.Kind == KillNode && f.From <= e.At && e.At <= f.To && strings.HasPrefix(e.Process, f.Process+".")
		}) {
			kills = append(kills, e)
		}
	}
	return kills
}

// awayAfter is about the turns of one actor, in their order.
func awayAfter(e Exit, turns []Turn, answered map[int64]*Call) (time.Duration, bool) {
	next := slices.IndexFunc(turns, func(t Turn) bool { return t.Begin > e.At })
	if next < 1 || turns[next-1].Process != e.Process {
		return 0, false // it was not there
	}
	for _, t := range turns[next:] {
		if c := answered[t.Op]; c != nil {
			return c.Return.since(e.At), true
		}
	}
	return 0, false
}
