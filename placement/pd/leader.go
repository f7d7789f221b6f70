package pd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// leader is a term of this process: the Directory, and those who talk to it.
// What it hears of etcd and of nodes goes into the Directory under one lock,
// and nothing waits under it: answers are put into outboxes.
type leader struct {
	term  uint64
	began time.Time
	guard clientv3.Cmp // holds in etcd while this process leads
	done  <-chan struct{}
	// abdicate ends the term when etcd shows that it is over: whoever has
	// removed the key of the election has not ended its lease.
	abdicate context.CancelCauseFunc
	counts   *counts

	mu        sync.Mutex // before that of any outbox
	directory *driver.Directory
	members   map[driver.NodeID]record
	joining   map[driver.NodeID]chan struct{} // closed when etcd has told of the join
	sessions  map[driver.NodeID]*session
	asked     map[uint64]asker // questions that the Directory has not answered
	ticket    uint64
	pace      int                                       // moves a second, for rebalancing
	writes    map[mallee.ID]*grantWrite                 // grants of foreign members that etcd has yet to keep
	written   chan struct{}                             // has room for one, and holds it while there may be writes
	placed    map[driver.NodeID]map[mallee.ID]time.Time // when actors came to foreign members
}

// asker waits for an answer: a session under the ticket of its own, or whoever
// reads reply, which has room for one.
type asker struct {
	id      mallee.ID
	session *session
	ticket  uint64
	reply   chan<- driver.Answer
}

const (
	// clockTick is how late the Directory may hear of the time.
	clockTick = 100 * time.Millisecond
	// planEvery is how often actors are moved for balance.
	planEvery = time.Second
)

// lead runs a term, until ctx ends or etcd cannot be followed any more.
func (s *Server) lead(ctx context.Context, key string, revision int64) error {
	guard := clientv3.Compare(clientv3.CreateRevision(key), "=", revision)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before, err := counter{s.client, s.keys.term()}.add(ctx, 1, guard)
	if err != nil {
		return fmt.Errorf("take a term: %w", err)
	}
	if before >= driver.MaxTerm {
		return fmt.Errorf("the terms have run out after %d: begin a new cluster", before)
	}
	l, listed, err := s.newLeader(ctx, uint64(before)+1, guard)
	if err != nil {
		return err
	}
	l.abdicate = cancel
	var writing sync.WaitGroup
	defer writing.Wait()
	defer cancel(nil)
	writing.Go(func() { cancel(s.writeGrants(ctx, l)) })
	writing.Go(func() { s.sweepKnown(ctx, l) })
	writing.Go(func() { s.expelSilent(ctx, l) })
	s.election.set(func() { s.election.mine = l })
	s.config.Log.Info("leading the placement driver", "term", l.term, "nodes", len(l.members))
	defer s.stepDown(l)
	writing.Go(func() { s.lookOut(ctx, l, revision) })
	return s.follow(ctx, l, listed)
}

// lookOut ends the term when a candidate leads that stood later.
func (s *Server) lookOut(ctx context.Context, l *leader, revision int64) {
	for ctx.Err() == nil {
		_, seen, changed := s.election.now()
		if seen.revision > revision {
			l.abdicate(errStepDown)
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// newLeader reads what a term begins with, as of a revision.
func (s *Server) newLeader(ctx context.Context, term uint64, guard clientv3.Cmp) (l *leader, revision int64, err error) {
	records, revision, err := s.listMembers(ctx)
	if err != nil {
		return nil, 0, err
	}
	granted, err := s.listGrants(ctx)
	if err != nil {
		return nil, 0, err
	}
	settings, err := s.readSettings(ctx)
	if err != nil {
		return nil, 0, err
	}
	l = &leader{
		term: term, began: time.Now(), guard: guard, done: ctx.Done(), counts: &s.counts, pace: settings.pace,
		members:  make(map[driver.NodeID]record),
		joining:  make(map[driver.NodeID]chan struct{}),
		sessions: make(map[driver.NodeID]*session),
		asked:    make(map[uint64]asker),
		writes:   make(map[mallee.ID]*grantWrite),
		written:  make(chan struct{}, 1),
		placed:   make(map[driver.NodeID]map[mallee.ID]time.Time),
	}
	members := make([]driver.Member, len(records))
	for i, r := range records {
		members[i], l.members[r.member.ID] = r.member, r
	}
	l.directory = driver.NewDirectory(term, members, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	l.directory.SetSettings(settings.driver())
	l.directory.Advance(l.began)
	for _, r := range records {
		if r.member.Foreign {
			l.reportFor(&r, granted[r.member.ID])
		}
	}
	return l, revision, nil
}

// reportFor tells the Directory what is known of a foreign member, which cannot
// report; it is alone.
func (l *leader) reportFor(r *record, granted []heldSince) {
	held := make([]driver.Held, len(granted))
	for i, g := range granted {
		held[i] = g.Held
		if !g.created.IsZero() {
			l.place(r.member.ID, g.ID, g.created)
		}
	}
	l.directory.Renew(r.member.ID, driver.Status{Load: int(r.load)})
	l.directory.Report(r.member.ID, held, true)
}

// follow tells the Directory what happens to members in etcd after a revision.
func (s *Server) follow(ctx context.Context, l *leader, revision int64) error {
	events := s.client.Watch(clientv3.WithRequireLeader(ctx), s.keys.members(), clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	clock, plan := time.NewTicker(clockTick), time.NewTicker(planEvery)
	defer clock.Stop()
	defer plan.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case r, ok := <-events:
			if err := r.Err(); err != nil {
				return fmt.Errorf("the watch of the members has ended: %w", err)
			}
			if !ok {
				return errors.New("the watch of the members has ended")
			}
			for _, e := range r.Events {
				if err := s.happened(l, e); err != nil {
					return err
				}
			}
		case now := <-clock.C:
			l.advance(now)
		case <-plan.C:
			l.rebalance()
		}
	}
}

func (s *Server) happened(l *leader, e *clientv3.Event) error {
	if e.Type == mvccpb.DELETE {
		if id, ok := s.keys.memberID(string(e.Kv.Key)); ok {
			l.lost(id)
		}
		return nil
	}
	r, err := s.readRecord(e.Kv)
	if err != nil {
		return err
	}
	if e.IsCreate() {
		l.joined(r)
	} else {
		l.changed(r)
	}
	return nil
}

func (s *Server) stepDown(l *leader) {
	s.election.set(func() { s.election.mine = nil })
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, each := range l.sessions {
		each.cut(mallee.ErrUnavailable.Errorf("the leader of term %d has stepped down", l.term).BeforeRun())
	}
	clear(l.sessions)
	clear(l.asked)
	clear(l.writes)
	s.config.Log.Info("no longer leading the placement driver", "term", l.term)
}

func (l *leader) advance(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.directory.Advance(now)
}

// expect makes a channel that is closed once etcd has told of a join.
func (l *leader) expect(id driver.NodeID) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := make(chan struct{})
	l.joining[id] = told
	return told
}

func (l *leader) forgetJoin(id driver.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.joining, id)
}

// joined is a member that has come in this term, through this process: only
// the leader's transactions can bring one.
func (l *leader) joined(r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.directory.Advance(time.Now())
	l.members[r.member.ID] = r
	answers := l.directory.Join(r.member)
	if r.member.Foreign {
		l.directory.Renew(r.member.ID, driver.Status{Load: int(r.load)})
	}
	l.finish(answers)
	if told := l.joining[r.member.ID]; told != nil {
		close(told)
		delete(l.joining, r.member.ID)
	}
}

// changed is a foreign member that has told its load.
func (l *leader) changed(r record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members[r.member.ID] = r
	if r.member.Foreign {
		l.directory.Renew(r.member.ID, driver.Status{Load: int(r.load)})
	}
}

// rebalance asks owners to give actors to others.
func (l *leader) rebalance() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.directory.Plan(l.pace) {
		if of := l.sessions[m.Grant.Node]; of != nil {
			l.counts.moves.Add(1)
			of.out.move(&placementpb.Move{Grant: words.GrantMessage(m.ID, m.Grant.Epoch), To: uint64(m.To)})
		}
	}
}

// lost is a member whose lease has ended.
func (l *leader) lost(id driver.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.lost.Add(1)
	delete(l.members, id)
	delete(l.placed, id)
	if of := l.sessions[id]; of != nil {
		of.cut(fenced(id))
		delete(l.sessions, id)
	}
	l.finish(l.directory.Lost(id))
	l.dropWrites(id)
	for _, each := range l.sessions {
		each.out.lost(uint64(id))
	}
}

func fenced(id driver.NodeID) error {
	return mallee.ErrFenced.Errorf("the lease of node %s has ended", id)
}

// isMember reports whether a node holds a lease, as far as etcd has told.
func (l *leader) isMember(id driver.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.members[id]
	return ok
}

// attach makes s the session of its node, instead of an older one.
func (l *leader) attach(s *session) (*placementpb.Welcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return nil, errNotLeader
	default:
	}
	if m, ok := l.members[s.node]; !ok || m.lease != s.lease {
		return nil, fenced(s.node)
	}
	if old := l.sessions[s.node]; old != nil {
		old.cut(errReplaced)
	}
	l.sessions[s.node] = s
	return &placementpb.Welcome{Term: l.term, Report: !l.directory.Reported(s.node)}, nil
}

func (l *leader) detach(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.node] == s {
		delete(l.sessions, s.node)
	}
}

// take does what a batch of a session says.
func (l *leader) take(s *session, b *placementpb.NodeBatch) error {
	held, err := heldOf(b.GetReport())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[s.node] != s {
		return errReplaced // what it says may be older than what the new one has said
	}
	if st := b.GetStatus(); st != nil {
		l.directory.Renew(s.node, driver.Status{Cordoned: st.GetCordoned(), Load: int(st.GetLoad())})
	}
	if b.GetReported() {
		l.counts.reports.Add(1)
	}
	if len(held) > 0 || b.GetReported() {
		l.finish(l.directory.Report(s.node, held, b.GetReported()))
	}
	for _, r := range b.GetReleases() {
		l.release(s, r)
	}
	for _, q := range b.GetQuestions() {
		l.question(s, q)
	}
	return nil
}

func (l *leader) release(s *session, r *placementpb.Release) {
	g := r.GetGrant()
	id := words.ID(g.GetActor())
	if !l.directory.Release(id, driver.Grant{Node: s.node, Epoch: g.GetEpoch()}, driver.NodeID(r.GetTo())) {
		return
	}
	l.counts.releases.Add(1)
	if next, ok := l.directory.Owner(id); ok && next.Node == driver.NodeID(r.GetTo()) {
		l.counts.grants.Add(1)
	}
	s.out.released(g)
}

func (l *leader) question(s *session, q *placementpb.Question) {
	id := words.ID(q.GetActor())
	if err := id.Validate(); err != nil {
		s.out.answer(&placementpb.Answer{Ticket: q.GetTicket(), Error: words.ErrorMessage(err)})
		return
	}
	if q.GetSuccessor() {
		a := &placementpb.Answer{Ticket: q.GetTicket()}
		if node, err := l.directory.Successor(s.node, id); err != nil {
			a.Error = words.ErrorMessage(err)
		} else {
			a.Node = uint64(node)
		}
		s.out.answer(a)
		return
	}
	l.ask(s.node, asker{id: id, session: s, ticket: q.GetTicket()})
}

// ask has the lock.
func (l *leader) ask(from driver.NodeID, who asker) {
	l.ticket++
	a, done := l.directory.Locate(l.ticket, driver.Question{ID: who.id, From: from})
	if !done {
		l.asked[l.ticket] = who
		return
	}
	l.answer(who, a)
}

// finish passes on what the Directory has answered at last; it has the lock.
func (l *leader) finish(answers []driver.Answer) {
	for _, a := range answers {
		if who, ok := l.asked[a.Ticket]; ok {
			delete(l.asked, a.Ticket)
			l.answer(who, a)
		}
	}
}

// answer has the lock. What a foreign member gets is kept in etcd first.
func (l *leader) answer(who asker, a driver.Answer) {
	l.counts.answers.Add(1)
	if a.Err == nil && a.New {
		l.counts.grants.Add(1)
		l.keep(who.id, a.Grant)
	}
	if w := l.writes[who.id]; a.Err == nil && w != nil {
		w.waiting = append(w.waiting, who)
		return
	}
	who.hear(a)
}

func (who asker) hear(a driver.Answer) {
	if who.session == nil {
		who.reply <- a
		return
	}
	answer := &placementpb.Answer{Ticket: who.ticket, Node: uint64(a.Grant.Node), Epoch: a.Grant.Epoch}
	if a.Err != nil {
		answer.Error = words.ErrorMessage(a.Err)
	}
	who.session.out.answer(answer)
}
