// Package driver decides where actors live, as state machines without clocks,
// goroutines or sockets: Directory is what the leader of the placement driver
// knows, Holder what a node holds. Whoever runs them carries their messages
// and tells them what has happened; a simulation does that with every fault
// that messages, processes and clocks can have.
//
// What they keep: of all nodes that have not fenced themselves, at most one may
// activate an ID, and the epochs of its grants grow. It rests on three things
// from outside. Terms of leaders grow and no two leaders have one. A node's
// lease ends, for the leader, after the node has fenced itself. A node that
// joins gets an ID that no node had before, and joins through the last leader
// that was elected.
package driver

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
)

// Directory is the leader's knowledge of who has which grant, for one term. A
// new leader knows nothing: every live node reports its grants first, and
// until then no actor is placed that might be among those not reported.
type Directory struct {
	term     uint64
	last     uint64 // epoch given out
	now      time.Time
	settings Settings
	random   *rand.Rand

	members map[NodeID]*member
	kinds   map[string]*kind // by the names of actor types
	silent  int              // members that have not reported
	waiting []request
	moves   map[mallee.ID]plannedMove
}

// member is a node with a live lease.
type member struct {
	Member
	since    time.Time // as Member.Since, but never ahead of the directory's clock
	status   Status
	reported bool
	actors   int // grants it has
	weight   int // of them
}

// request is a Locate that waits.
type request struct {
	ticket uint64
	Question
}

// Answer is the end of a Locate. Err is nil or a mallee error.
type Answer struct {
	Ticket uint64
	Grant  Grant
	Err    error
	New    bool // this very call has given the grant
}

// Held is a grant that a node reports.
type Held struct {
	ID    mallee.ID
	Epoch uint64
}

// Terms and epochs share 63 bits: there are grantsPerTerm of a term.
const (
	grantsPerTerm = 1 << 40
	// MaxTerm is the last term there can be.
	MaxTerm = 1<<23 - 1
)

// NewDirectory begins a term. Members are the nodes that hold a lease now; each
// has to Report. Who joins later joins through this leader (see Join). The term
// is greater than any before, and at most MaxTerm.
func NewDirectory(term uint64, members []Member, random *rand.Rand) *Directory {
	d := &Directory{
		term:     term,
		last:     term * grantsPerTerm,
		random:   random,
		settings: Settings{Settle: DefaultSettle},
		members:  make(map[NodeID]*member),
		kinds:    make(map[string]*kind),
		moves:    make(map[mallee.ID]plannedMove),
	}
	for _, m := range members {
		d.add(m, false)
	}
	return d
}

func (d *Directory) add(m Member, reported bool) {
	if d.members[m.ID] != nil {
		return
	}
	added := &member{Member: m, since: m.Since, reported: reported}
	d.members[m.ID] = added
	for _, t := range m.Types {
		d.kind(t.Name).join(added, t)
	}
	if !reported {
		d.silent++
	}
}

// Term is the term of the directory.
func (d *Directory) Term() uint64 { return d.term }

// Advance tells the time by the clock of the placement driver. It does not go
// back.
func (d *Directory) Advance(now time.Time) {
	if !now.After(d.now) {
		return
	}
	d.now = now
	for _, m := range d.members {
		if m.since.After(now) { // the clock of the leader that it joined through is ahead
			m.since = now
		}
	}
}

// Join adds a node that has just got its lease: it has no grants to report. The
// lease must have been given on the condition that no later leader was elected:
// then the next leader knows the node from its beginning and has it report what
// this one grants it.
func (d *Directory) Join(m Member) []Answer {
	d.add(m, true)
	return d.retry() // it may host what nobody could
}

// Renew notes what a node says of itself. It reports false for a node without a
// lease.
func (d *Directory) Renew(node NodeID, s Status) bool {
	m := d.members[node]
	if m == nil {
		return false
	}
	m.status = s
	return true
}

// Lost drops a node whose lease has ended, with all its grants. Joins and losses
// come in the order in which they happened.
func (d *Directory) Lost(node NodeID) []Answer {
	m := d.members[node]
	if m == nil {
		return nil
	}
	for _, k := range d.kinds {
		k.lose(m)
		d.tidy(k)
	}
	delete(d.members, node)
	if !m.reported {
		d.silent--
	}
	return d.retry()
}

// Members lists the nodes with a live lease, in the order of their IDs.
func (d *Directory) Members() []Member {
	all := make([]Member, 0, len(d.members))
	for _, m := range d.members {
		all = append(all, m.Member)
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Silent lists the nodes that have yet to report.
func (d *Directory) Silent() []NodeID {
	var all []NodeID
	for id, m := range d.members {
		if !m.reported {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// Recovering reports whether nodes have yet to report.
func (d *Directory) Recovering() bool { return d.silent > 0 }

// Report takes a part of what a node holds, under the term of this directory.
// Parts of one report come in order and none is left out; one may be the whole.
// A report that breaks off begins anew, and one that comes again after its last
// part changes nothing.
func (d *Directory) Report(node NodeID, held []Held, last bool) []Answer {
	m := d.members[node]
	if m == nil || m.reported {
		return nil
	}
	for _, h := range held {
		// A report may tell of a grant that was released while it was on its
		// way, and that the leader before gave to another node: that one's is
		// newer and stays.
		d.set(h.ID, Grant{Node: node, Epoch: h.Epoch})
	}
	if last {
		m.reported = true
		d.silent--
	}
	return d.retry()
}

// Reported reports whether a node need not report any more.
func (d *Directory) Reported(node NodeID) bool {
	m := d.members[node]
	return m != nil && m.reported
}

// Locate answers where an actor lives and places one that lives nowhere. While
// nodes have yet to report it may wait: done is false, and the answer comes
// from another method, under the ticket.
func (d *Directory) Locate(ticket uint64, q Question) (a Answer, done bool) {
	a, done = d.locate(q)
	a.Ticket = ticket
	if !done {
		d.waiting = append(d.waiting, request{ticket, q})
	}
	return a, done
}

func (d *Directory) locate(q Question) (Answer, bool) {
	if g, ok := d.Owner(q.ID); ok {
		return Answer{Grant: g}, true
	}
	k := d.kinds[q.ID.Type]
	able, err := d.able(k, q.ID.Type)
	if err != nil {
		return Answer{Err: err}, d.silent == 0
	}
	t := k.says()
	if t.Stateless {
		return Answer{Grant: Grant{Node: d.choose(t, q, able)}}, true
	}
	if d.silent > 0 {
		return Answer{}, false
	}
	g := d.grant(q.ID, d.choose(t, q, able))
	return Answer{Grant: g, New: true}, true
}

// retry answers the requests that need not wait any more.
func (d *Directory) retry() (answers []Answer) {
	waiting := d.waiting
	d.waiting = nil
	for _, r := range waiting {
		if a, done := d.Locate(r.ticket, r.Question); done {
			answers = append(answers, a)
		}
	}
	return answers
}

// Release takes a grant back whose activation has fully stopped. When to is a
// live node that hosts the type, and no foreign one, it gets the next grant: so
// an actor moves, also to a node that was cordoned meanwhile. Release reports
// false to a node that has yet to report: its report may be on its way and tell
// of the grant, so it must release again.
func (d *Directory) Release(id mallee.ID, g Grant, to NodeID) (taken bool) {
	m := d.members[g.Node]
	if m == nil {
		return true // its grants have ended with its lease
	}
	if !m.reported {
		return false
	}
	if now, _ := d.Owner(id); now != g {
		return true // an older one, or it comes again
	}
	d.forget(id, g)
	if h := d.kinds[id.Type].host(to); h != nil && h.missing == "" && !h.Foreign && to != g.Node && d.silent == 0 {
		d.grant(id, to)
	}
	return true
}

// Successor chooses a node that could take an actor over from its owner, alive.
// It grants nothing.
func (d *Directory) Successor(owner NodeID, id mallee.ID) (NodeID, error) {
	k := d.kinds[id.Type]
	able, err := d.able(k, id.Type)
	if err != nil {
		return 0, err
	}
	able = slices.DeleteFunc(able, func(h *host) bool { return h.ID == owner || h.Foreign })
	if len(able) == 0 {
		return 0, mallee.ErrUnavailable.Errorf("no other node can take %s over", id).BeforeRun()
	}
	return d.choose(k.says(), Question{ID: id}, able), nil
}

// Owner tells who has the grant of an actor.
func (d *Directory) Owner(id mallee.ID) (Grant, bool) {
	k := d.kinds[id.Type]
	if k == nil {
		return Grant{}, false
	}
	g, ok := k.grants[id.Key]
	return g, ok
}

// grant gives an actor that lives nowhere to a node.
func (d *Directory) grant(id mallee.ID, to NodeID) Grant {
	d.last++
	g := Grant{Node: to, Epoch: d.last}
	d.set(id, g)
	return g
}

// set puts a grant in force, unless a newer one is.
func (d *Directory) set(id mallee.ID, g Grant) {
	k := d.kind(id.Type)
	if old, taken := k.grants[id.Key]; taken {
		if old.Epoch >= g.Epoch {
			return
		}
		k.count(d.members[old.Node], -1)
	}
	k.grants[id.Key] = g
	k.count(d.members[g.Node], 1)
}

// forget ends a grant that is in force.
func (d *Directory) forget(id mallee.ID, g Grant) {
	k := d.kinds[id.Type]
	delete(k.grants, id.Key)
	k.count(d.members[g.Node], -1)
	d.tidy(k)
}
