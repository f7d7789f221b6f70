package chaos

import (
	"cmp"
	"slices"

	"github.com/mallee-io/mallee"
)

// checkTurns finds turns that ran while another activation of their actor was
// running a turn, or after one of a newer activation.
func (v *Verdict) checkTurns(h *History) {
	turns := h.endedTurns()
	slices.SortStableFunc(turns, func(a, b Turn) int { return cmp.Compare(a.Begin, b.Begin) })
	type seen struct{ newest, longest *Turn } // with the highest epoch, with the last end
	actors := make(map[mallee.ID]*seen)
	for i := range turns {
		t := &turns[i]
		s := actors[t.Actor]
		if s == nil {
			actors[t.Actor] = &seen{t, t}
			continue
		}
		switch {
		case t.Begin < s.longest.End:
			v.find(&v.DoubleActivations, "%s: the turn of operation %d on %s began while that of operation %d ran on %s",
				t.Actor, t.Op, t.Process, s.longest.Op, s.longest.Process)
		case t.Epoch < s.newest.Epoch || t.Epoch == s.newest.Epoch && t.Process != s.newest.Process:
			v.find(&v.DoubleActivations, "%s: the turn of operation %d on %s, of epoch %d, began after one of epoch %d on %s",
				t.Actor, t.Op, t.Process, t.Epoch, s.newest.Epoch, s.newest.Process)
		}
		if t.Epoch > s.newest.Epoch {
			s.newest = t
		}
		if t.End > s.longest.End {
			s.longest = t
		}
	}
}

// endedTurns are the turns with what is known of their ends. A turn that has
// told none ended with its process. One in whose middle the process was stopped
// for longer than its lease ended there: nothing could keep the process from
// going on with it for a moment when it woke, but without the lease it can have
// had no effect any more, and the answers of the actor show whether it had.
func (h *History) endedTurns() []Turn {
	turns := slices.Clone(h.Turns)
	for i := range turns {
		t := &turns[i]
		for _, e := range h.Exits {
			if e.Process == t.Process {
				t.End = min(t.End, e.At)
			}
		}
		for _, p := range h.Pauses {
			if p.Process == t.Process && t.Begin < p.To && p.To.since(p.From) > h.Lease {
				t.End = min(t.End, max(t.Begin, p.From))
			}
		}
	}
	return turns
}
