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
// joins gets an ID that no node had before.
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
	members  map[NodeID]*member
	grants   map[mallee.ID]Grant
	silent   int // members that have not reported
	waiting  []request
	random   *rand.Rand
	now      time.Time
	settings Settings
}

// member is a node with a live lease.
type member struct {
	Member
	status   Status
	reported bool
	owns     map[mallee.ID]bool
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
// has to Report. The term is greater than any before, and at most MaxTerm.
func NewDirectory(term uint64, members []Member, random *rand.Rand) *Directory {
	d := &Directory{
		term:    term,
		last:    term * grantsPerTerm,
		members: make(map[NodeID]*member),
		grants:  make(map[mallee.ID]Grant),
		random:  random,
	}
	for _, m := range members {
		d.add(m, false)
	}
	return d
}

func (d *Directory) add(m Member, reported bool) {
	d.members[m.ID] = &member{Member: m, reported: reported, owns: make(map[mallee.ID]bool)}
	if !reported {
		d.silent++
	}
}

// Term is the term of the directory.
func (d *Directory) Term() uint64 { return d.term }

// Join adds a node that has just got its lease: it has no grants to report.
func (d *Directory) Join(m Member) []Answer {
	if d.members[m.ID] == nil {
		d.add(m, true)
	}
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

// Lost drops a node whose lease has ended, with all its grants.
func (d *Directory) Lost(node NodeID) []Answer {
	m := d.members[node]
	if m == nil {
		return nil
	}
	for id := range m.owns {
		delete(d.grants, id)
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

// Report takes a part of what a node holds, under the term of this directory;
// the parts come in order, and one may hold all. After the last one a report
// that comes again changes nothing. A report that breaks off begins anew.
func (d *Directory) Report(node NodeID, held []Held, last bool) []Answer {
	m := d.members[node]
	if m == nil || m.reported {
		return nil
	}
	for _, h := range held {
		// A report may tell of a grant that was released while it was on its
		// way, and that the leader before gave to another node: that one's is newer.
		if g, taken := d.grants[h.ID]; taken && g.Epoch >= h.Epoch {
			continue
		}
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

func (d *Directory) set(id mallee.ID, g Grant) {
	d.forget(id)
	d.grants[id] = g
	d.members[g.Node].owns[id] = true
}

func (d *Directory) forget(id mallee.ID) {
	if g, ok := d.grants[id]; ok {
		delete(d.members[g.Node].owns, id)
		delete(d.grants, id)
	}
}

// Locate answers where an actor lives and places one that lives nowhere. While
// nodes have yet to report it may wait: done is false, and the answer comes
// from another method, under the ticket.
func (d *Directory) Locate(ticket uint64, q Question) (a Answer, done bool) {
	a, done = d.locate(ticket, q)
	if !done {
		d.waiting = append(d.waiting, request{ticket, q})
	}
	return a, done
}

func (d *Directory) locate(ticket uint64, q Question) (Answer, bool) {
	id := q.ID
	if g, ok := d.grants[id]; ok {
		return Answer{Ticket: ticket, Grant: g}, true
	}
	candidates, stateless, err := d.candidates(id.Type)
	if err != nil {
		return Answer{Ticket: ticket, Err: err}, d.silent == 0
	}
	if stateless {
		return Answer{Ticket: ticket, Grant: Grant{Node: d.choose(q, candidates)}}, true
	}
	if d.silent > 0 {
		return Answer{}, false
	}
	g := Grant{Node: d.choose(q, candidates), Epoch: d.last + 1}
	d.last++
	d.set(id, g)
	return Answer{Ticket: ticket, Grant: g, New: true}, true
}

// candidates are the nodes that may get an actor of a type, in the order of
// their IDs.
func (d *Directory) candidates(actorType string) (able []Candidate, stateless bool, err error) {
	hosted := false
	for _, m := range d.members {
		t, ok := m.Hosts(actorType)
		if !ok {
			continue
		}
		hosted, stateless = true, t.Stateless
		if !m.status.Cordoned {
			able = append(able, Candidate{m.ID, len(m.owns)})
		}
	}
	switch {
	case !hosted:
		return nil, false, mallee.ErrNotFound.Errorf("no node hosts actor type %s; give it to node.Config.Types", actorType).BeforeRun()
	case len(able) == 0:
		return nil, false, mallee.ErrUnavailable.Errorf("all nodes that host actor type %s are leaving", actorType).BeforeRun()
	}
	slices.SortFunc(able, func(a, b Candidate) int { return cmp.Compare(a.Node, b.Node) })
	return able, stateless, nil
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
// live node, that one gets the next grant: so an actor moves. It reports false
// to a node that has yet to report: its report may be on its way and tell of
// the grant, so it must release again.
func (d *Directory) Release(id mallee.ID, g Grant, to NodeID) (taken bool) {
	m := d.members[g.Node]
	if m == nil {
		return true // its grants have ended with its lease
	}
	if !m.reported {
		return false
	}
	if d.grants[id] != g {
		return true // an older one, or it comes again
	}
	d.forget(id)
	if d.members[to] != nil && to != g.Node && d.silent == 0 {
		d.last++
		d.set(id, Grant{Node: to, Epoch: d.last})
	}
	return true
}

// Successor chooses a node that could take an actor over from its owner. It
// grants nothing.
func (d *Directory) Successor(owner NodeID, id mallee.ID) (NodeID, error) {
	candidates, _, err := d.candidates(id.Type)
	if err != nil {
		return 0, err
	}
	candidates = slices.DeleteFunc(candidates, func(c Candidate) bool { return c.Node == owner })
	if len(candidates) == 0 {
		return 0, mallee.ErrUnavailable.Errorf("no other node can take %s over", id).BeforeRun()
	}
	return d.choose(Question{ID: id}, candidates), nil
}

// Owner tells who has the grant of an actor.
func (d *Directory) Owner(id mallee.ID) (Grant, bool) {
	g, ok := d.grants[id]
	return g, ok
}
