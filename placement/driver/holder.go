package driver

import (
	"time"

	"github.com/mallee-io/mallee"
)

// Holder is what a node holds under one lease: the grants under which it may
// activate actors. Times are of the node's monotonic clock.
//
// A grant is only ever the answer to a question of the node itself, and each
// question takes one answer. What a node has released it does not take again:
// an answer that was given before the release arrived may still be on its way.
type Holder struct {
	term     uint64 // to which it has reported; it takes no grant of another
	deadline time.Duration
	fenced   bool
	held     map[string]map[string]uint64 // epochs of grants, by type and key
	open     map[mallee.ID]*record
	asked    map[uint64]mallee.ID // questions without an answer, by ticket
	tickets  uint64
}

// record is what a node has to remember of an actor with questions or releases
// that have no end yet. Of others, the great many, it is enough what is held.
type record struct {
	released uint64 // newest epoch that was released and may yet be answered
	settled  bool   // the leader has taken the release
	asked    int    // questions without an answer
}

// Margin is the part of a lease by which a node fences itself before the lease
// can end for others. It covers clocks of which one runs a ninth faster than
// the other.
const Margin = 10

// NewHolder begins a lease that was asked for at a time, in the term of the
// leader that answered.
func NewHolder(term uint64, asked, ttl time.Duration) *Holder {
	return &Holder{
		term:     term,
		deadline: deadline(asked, ttl),
		held:     make(map[string]map[string]uint64),
		open:     make(map[mallee.ID]*record),
		asked:    make(map[uint64]mallee.ID),
	}
}

// deadline counts from when the renewal was sent: the lease cannot have been
// prolonged before that.
func deadline(sent, ttl time.Duration) time.Duration { return sent + ttl - ttl/Margin }

// Renewed prolongs the lease by a renewal that was sent at a time and has been
// answered. Renewals may be answered in any order.
func (h *Holder) Renewed(sent, ttl time.Duration) {
	h.deadline = max(h.deadline, deadline(sent, ttl))
}

// Fenced reports whether the lease may have ended by a time. Once it has, the
// holder is of no use any more: the node has to stop all activations at once
// and join anew. A node asks before it begins anything, since it may have
// slept for any time.
func (h *Holder) Fenced(now time.Duration) bool {
	if now >= h.deadline {
		h.fenced = true
	}
	return h.fenced
}

// Deadline is when the node fences itself.
func (h *Holder) Deadline() time.Duration { return h.deadline }

// Ask begins a question for the owner of an actor.
func (h *Holder) Ask(id mallee.ID) (ticket uint64) {
	h.tickets++
	h.asked[h.tickets] = id
	h.record(id).asked++
	return h.tickets
}

// Answer ends a question: the leader of a term says that this node has a grant.
// It reports false for one under which the node must not activate the actor:
// the question is over, the term is another one, or the grant was released.
func (h *Holder) Answer(ticket, term, epoch uint64, now time.Duration) bool {
	id, ok := h.asked[ticket]
	if !ok {
		return false
	}
	r := h.record(id)
	ok = !h.Fenced(now) && term == h.term && epoch > r.released && epoch >= h.Holds(id)
	if ok {
		h.hold(id, epoch)
	}
	h.Forget(ticket)
	return ok
}

// Forget ends a question whose answer is of no use, or will not come.
func (h *Holder) Forget(ticket uint64) {
	if id, ok := h.asked[ticket]; ok {
		delete(h.asked, ticket)
		h.record(id).asked--
		h.tidy(id)
	}
}

// Report lists the grants, in no order, for the leader of a term, and refuses
// grants of earlier terms from then on. It reports false to a leader that
// another one has followed.
func (h *Holder) Report(term uint64) (held []Held, ok bool) {
	if term < h.term {
		return nil, false
	}
	if term > h.term { // what was released is not reported, so it cannot be answered in this term
		for id, r := range h.open {
			r.settled = true
			h.tidy(id)
		}
	}
	h.term = term
	held = make([]Held, 0, h.count())
	for name, keys := range h.held {
		for key, epoch := range keys {
			held = append(held, Held{mallee.ID{Type: name, Key: key}, epoch})
		}
	}
	return held, true
}

func (h *Holder) count() (n int) {
	for _, keys := range h.held {
		n += len(keys)
	}
	return n
}

// Release drops a grant whose activation has fully stopped, before the leader
// is told.
func (h *Holder) Release(id mallee.ID, epoch uint64) {
	if epoch != 0 && h.Holds(id) == epoch {
		delete(h.held[id.Type], id.Key)
		r := h.record(id)
		r.released, r.settled = epoch, false
	}
}

// Released notes that the leader of a term has taken a release. Until then the
// node has to tell it again. What the leader of an earlier term says does not
// count: the present one may have been told of the grant.
func (h *Holder) Released(term uint64, id mallee.ID, epoch uint64) {
	if r := h.open[id]; r != nil && r.released == epoch && term == h.term {
		r.settled = true
		h.tidy(id)
	}
}

// Unsettled lists the releases that the leader has yet to take, in no order.
func (h *Holder) Unsettled() (all []Held) {
	for id, r := range h.open {
		if !r.settled {
			all = append(all, Held{id, r.released})
		}
	}
	return all
}

// Holds tells the epoch of the grant for an actor; 0 when there is none.
func (h *Holder) Holds(id mallee.ID) uint64 { return h.held[id.Type][id.Key] }

func (h *Holder) hold(id mallee.ID, epoch uint64) {
	keys := h.held[id.Type]
	if keys == nil {
		keys = make(map[string]uint64)
		h.held[id.Type] = keys
	}
	keys[id.Key] = epoch
}

func (h *Holder) record(id mallee.ID) *record {
	r := h.open[id]
	if r == nil {
		r = &record{settled: true}
		h.open[id] = r
	}
	return r
}

// tidy forgets the record of an actor for which nothing is on its way.
func (h *Holder) tidy(id mallee.ID) {
	if r := h.open[id]; r != nil && r.settled && r.asked == 0 {
		delete(h.open, id)
	}
}
