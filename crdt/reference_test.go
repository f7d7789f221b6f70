package crdt_test

import (
	"math"
	"slices"

	"github.com/mallee-io/mallee/crdt"
)

// reference says what values mean, without any regard to how they are kept: it has
// every change that was ever made, and what each had seen.
type reference struct{ events []event }

// sight is how many events of each replica somebody has seen.
type sight map[crdt.ReplicaID]int

func (s sight) copy() sight {
	c := sight{}
	c.add(s)
	return c
}

func (s sight) add(o sight) {
	for r, n := range o {
		s[r] = max(s[r], n)
	}
}

type event struct {
	by      crdt.ReplicaID
	n       int   // of the replica's events, from 1
	seen    sight // before it
	path    []step
	op      op
	elem    string // of a set, or key that is dropped
	number  int64
	value   string
	enabled bool
}

// step leads from an ORMap to what it has at a key.
type step struct {
	key  string
	kind crdt.Kind
}

type op int

const (
	touch op = iota // of keys; every other event touches them too
	add
	drop
	dropAll
	count
	write
	enable
	cast
)

func (s sight) has(e *event) bool { return e.n <= s[e.by] }

// under reports whether an event was at a place or inside.
func (e *event) under(path []step) bool {
	return len(e.path) >= len(path) && slices.Equal(e.path[:len(path)], path)
}

// dropped reports whether somebody has removed what an event has put at its path or,
// if elem is not nil, at an element there; as seen by s.
func (r *reference) dropped(s sight, e *event, path []step, elem *string) bool {
	return slices.ContainsFunc(r.events, func(f event) bool {
		if !s.has(&f) || !f.seen.has(e) || len(f.path) > len(path) || !slices.Equal(f.path, path[:len(f.path)]) {
			return false
		}
		at := elem
		if len(f.path) < len(path) {
			at = &path[len(f.path)].key
		}
		return at != nil && (f.op == dropAll || f.op == drop && f.elem == *at)
	})
}

// live yields the events of a kind at a path that nobody has removed.
func (r *reference) live(s sight, path []step, o op, f func(e *event)) {
	for i := range r.events {
		e := &r.events[i]
		var elem *string
		if e.op == add {
			elem = &e.elem
		}
		if e.op == o && s.has(e) && slices.Equal(e.path, path) && !r.dropped(s, e, path, elem) {
			f(e)
		}
	}
}

// view is what somebody who has seen s sees.
func (r *reference) view(s sight, path []step, kind crdt.Kind, e crdt.Electorate) *crdt.View {
	w := &crdt.View{Kind: kind}
	switch kind {
	case crdt.KindGCounter, crdt.KindPNCounter:
		last := map[crdt.ReplicaID]*event{}
		r.live(s, path, count, func(e *event) { last[e.by] = e })
		for _, e := range last {
			w.Count += r.total(e)
		}
		if kind == crdt.KindGCounter && w.Count < 0 {
			w.Count = math.MaxInt64
		}
	case crdt.KindGSet, crdt.KindORSet:
		w.Elements = map[string]struct{}{}
		r.live(s, path, add, func(e *event) { w.Elements[e.elem] = struct{}{} })
	case crdt.KindRegister:
		if e := r.winner(s, path); e != nil {
			w.Value = e.value
		}
	case crdt.KindFlag:
		r.live(s, path, enable, func(*event) { w.Enabled = true })
	case crdt.KindVote:
		votes := r.votes(s, path)
		for _, m := range e.Members {
			if votes[m] {
				w.For++
			}
		}
		w.Self, w.Voters = votes[e.Self], len(e.Members)
	case crdt.KindORMap:
		w.Entries = map[string]*crdt.View{}
		for key, k := range r.keys(s, path) {
			w.Entries[key] = r.view(s, inside(path, key, k), k, e)
		}
	}
	return w
}

func inside(path []step, key string, k crdt.Kind) []step {
	return append(slices.Clone(path), step{key, k})
}

// total is what a replica had counted with an event: more than before, unless that
// had been removed as far as it knew.
func (r *reference) total(e *event) int64 {
	var last *event
	r.live(e.seen, e.path, count, func(f *event) {
		if f.by == e.by {
			last = f
		}
	})
	if last == nil {
		return e.number
	}
	return r.total(last) + e.number
}

// winner is the write that counts.
func (r *reference) winner(s sight, path []step) (w *event) {
	var writes []*event
	r.live(s, path, write, func(e *event) { writes = append(writes, e) })
	for _, e := range writes {
		over := slices.ContainsFunc(writes, func(f *event) bool { return f.seen.has(e) })
		if !over && (w == nil || e.number > w.number || e.number == w.number && e.by < w.by) {
			w = e
		}
	}
	return w
}

func (r *reference) votes(s sight, path []step) map[crdt.ReplicaID]bool {
	votes := map[crdt.ReplicaID]bool{}
	r.live(s, path, cast, func(e *event) { votes[e.by] = e.enabled })
	return votes
}

// keys are those of an ORMap that somebody has touched since they were removed. Of
// two kinds the lower is seen.
func (r *reference) keys(s sight, path []step) map[string]crdt.Kind {
	keys := map[string]crdt.Kind{}
	for i := range r.events {
		e := &r.events[i]
		if !s.has(e) || !e.under(path) || len(e.path) == len(path) {
			continue
		}
		to := e.path[len(path)]
		if known, ok := keys[to.key]; ok && known <= to.kind {
			continue
		}
		if !r.dropped(s, e, inside(path, to.key, to.kind), nil) {
			keys[to.key] = to.kind
		}
	}
	return keys
}

// change makes the events of a delta that is possible.
func (r *reference) change(by crdt.ReplicaID, s sight, now int64, path []step, d *crdt.Delta) (changed bool) {
	emit := func(path []step, e event) {
		e.by, e.n, e.seen, e.path = by, s[by]+1, s.copy(), path
		s[by]++
		r.events = append(r.events, e)
		changed = true
	}

	w := r.view(s, path, d.Kind, crdt.Electorate{Self: by})
	has := func(key string) bool { return w.Elements != nil && in(w.Elements, key) || in(w.Entries, key) }
	if d.Kind == crdt.KindORSet || d.Kind == crdt.KindORMap {
		if d.Cleared && len(w.Elements)+len(w.Entries) > 0 {
			emit(path, event{op: dropAll})
			clear(w.Elements)
			clear(w.Entries)
		}
		for _, x := range d.Removed {
			if has(x) {
				emit(path, event{op: drop, elem: x})
				delete(w.Elements, x)
				delete(w.Entries, x)
			}
		}
	}
	switch d.Kind {
	case crdt.KindGCounter, crdt.KindPNCounter:
		if n := d.Change + int64(d.Increment); n != 0 {
			emit(path, event{op: count, number: n})
		}
	case crdt.KindGSet, crdt.KindORSet:
		for _, x := range d.Added {
			if d.Kind == crdt.KindGSet && len(path) == 0 && in(w.Elements, x) {
				continue
			}
			emit(path, event{op: add, elem: x})
		}
	case crdt.KindRegister:
		if at, ok := r.time(s, path, now, d); ok {
			emit(path, event{op: write, number: at, value: d.Value})
		}
	case crdt.KindFlag:
		if d.Enabled && !(w.Enabled && len(path) == 0) {
			emit(path, event{op: enable})
		}
	case crdt.KindVote:
		if w.Self != d.Self {
			emit(path, event{op: cast, enabled: d.Self})
		}
	case crdt.KindORMap:
		for _, e := range d.Updated {
			if k, ok := r.keys(s, path)[e.Key]; ok && k == e.Delta.Kind {
				changed = r.change(by, s, now, inside(path, e.Key, k), e.Delta) || changed
			}
		}
		for _, e := range d.Inserted {
			at := inside(path, e.Key, e.Delta.Kind)
			if !in(r.keys(s, path), e.Key) {
				emit(at, event{op: touch})
			}
			changed = r.change(by, s, now, at, e.Delta) || changed
		}
	}
	return changed
}

// time is that of a write, unless it is too late.
func (r *reference) time(s sight, path []step, now int64, d *crdt.Delta) (at int64, ok bool) {
	last := now
	w := r.winner(s, path)
	if w != nil {
		last = w.number
	}
	switch d.Clock {
	case crdt.DefaultClock:
		at = max(now, saturated(last))
	case crdt.ReverseClock:
		at = min(-now, max(last, math.MinInt64+1)-1)
	case crdt.CustomClock:
		at = d.Custom
	case crdt.AutoClock:
		at = max(d.Custom, saturated(last))
	}
	return at, w == nil || at > last
}

func saturated(last int64) int64 {
	if last == math.MaxInt64 {
		return last
	}
	return last + 1
}

func in[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// possible applies a delta to a view, step by step, and reports whether each was
// possible. It may change the view even if not.
func possible(w *crdt.View, d *crdt.Delta) bool {
	if d == nil || d.Kind != w.Kind {
		return false
	}
	switch d.Kind {
	case crdt.KindGCounter:
		w.Count += int64(d.Increment)
		return d.Increment < 1<<63 && w.Count >= 0
	case crdt.KindPNCounter:
		before := w.Count
		w.Count += d.Change
		return (w.Count > before) == (d.Change > 0) && (w.Count < before) == (d.Change < 0)
	case crdt.KindFlag:
		if w.Enabled && !d.Enabled {
			return false
		}
		w.Enabled = d.Enabled
	case crdt.KindRegister:
		return d.Clock <= crdt.AutoClock
	case crdt.KindORMap:
		if d.Cleared {
			clear(w.Entries)
		}
		for _, key := range d.Removed {
			delete(w.Entries, key)
		}
		for _, e := range d.Updated {
			if e.Delta == nil {
				return false
			}
			if v, ok := w.Entries[e.Key]; ok && v.Kind == e.Delta.Kind && !possible(v, e.Delta) {
				return false
			}
		}
		for _, e := range d.Inserted {
			if !in(w.Entries, e.Key) && e.Delta != nil {
				w.Entries[e.Key] = &crdt.View{Kind: e.Delta.Kind, Entries: map[string]*crdt.View{}}
			}
			if !in(w.Entries, e.Key) || !possible(w.Entries[e.Key], e.Delta) {
				return false
			}
		}
	}
	return slices.Contains(kinds, d.Kind)
}
