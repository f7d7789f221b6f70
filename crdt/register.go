package crdt

import "math"

// register keeps the last write, and what was written at the same time elsewhere:
// of these all nodes take the one with the greatest time and, if that is the same,
// of the lower replica.
type register struct{ writes atoms[write] }

type write struct {
	time  int64
	value string
}

func (g *register) winner() (w write, ok bool) {
	for i, x := range g.writes {
		if i == 0 || x.payload.time > w.time {
			w = x.payload
		}
	}
	return w, len(g.writes) > 0
}

func (g *register) empty() bool { return len(g.writes) == 0 }

// change writes, unless what is there is later. A new register is one that somebody
// has just made by the default clock; but what is written to it first is taken,
// whatever its time.
func (g *register) change(at Dot, now int64, d *Delta, _ bool) bool {
	w, written := g.winner()
	if !written {
		w.time = now
	}
	time := d.Clock.after(w.time, now, d.Custom)
	if written && time <= w.time {
		return false
	}
	g.writes.replace(at, write{time, d.Value})
	return true
}

// after is the time of a write over one of the time t.
func (c RegisterClock) after(t, now, custom int64) int64 {
	later := t
	if t < math.MaxInt64 {
		later++
	}
	switch c {
	case ReverseClock:
		if t > math.MinInt64 {
			t--
		}
		return min(-now, t)
	case CustomClock:
		return custom
	case AutoClock:
		return max(custom, later)
	default:
		return max(now, later)
	}
}

func (g *register) effect(at Dot, e *effect) {
	w, ok := g.writes.of(at.Replica)
	e.put, e.number, e.value = ok, w.time, w.value
}

func (g *register) apply(at Dot, seen past, e *effect) bool {
	return e.put && g.writes.observe(at, write{e.number, e.value}, seen)
}

func (g *register) drop(seen past) bool { return g.writes.drop(seen) }

func (g *register) merge(o contents, mine, theirs past) bool {
	return g.writes.merge(o.(*register).writes, mine, theirs)
}

func (g *register) fold(ReplicaID) {}

func (g *register) appendTo(b []byte) []byte { return appendAtoms(b, g.writes, appendWrite) }

func (g *register) parse(r *reader, _ int) { g.writes = parseAtoms(r, 1, (*reader).write) }
