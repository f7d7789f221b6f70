package placement_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// fake is a placement driver: processes on loopback that share one memory
// instead of an etcd, of which at most one leads.
type fake struct {
	tb    testing.TB
	ttl   time.Duration
	procs []*process

	mu        sync.Mutex
	changed   *sync.Cond
	leader    int // -1: none
	term      uint64
	directory *driver.Directory // of the leader
	members   map[placement.NodeID]placement.Member
	last      placement.NodeID
	ticket    uint64
	waiting   map[uint64]func(driver.Answer)
	sessions  map[placement.NodeID]*fakeSession // with the leader
	renewals  int
	batches   []*pb.NodeBatch // that the leader has taken, where record is set
	record    bool
	forgets   bool                     // at the next hello, that the node is a member
	lose      func(*pb.NodeBatch) bool // says which batches end their stream instead
}

// process is one of a fake's. Where there is a script it does what that says.
type process struct {
	pb.UnimplementedPlacementServer
	f      *fake
	index  int
	addr   string
	server *grpc.Server
	script func(pb.Placement_SessionServer) error // guarded by the fake
}

// fakeSession is a stream on which the leader talks to a member.
type fakeSession struct {
	out    *pb.LeaderBatch // waits; guarded by the fake
	filled chan struct{}
	cancel context.CancelFunc
}

func newFake(tb testing.TB, processes int) *fake {
	f := &fake{
		tb: tb, ttl: 10 * time.Minute, leader: -1,
		members: make(map[placement.NodeID]placement.Member), waiting: make(map[uint64]func(driver.Answer)),
		sessions: make(map[placement.NodeID]*fakeSession),
	}
	f.changed = sync.NewCond(&f.mu)
	for i := range processes {
		p := &process{f: f, index: i, addr: "127.0.0.1:0"}
		f.procs = append(f.procs, p)
		p.start()
	}
	tb.Cleanup(func() {
		for _, p := range f.procs {
			p.server.Stop()
		}
	})
	f.lead(0)
	return f
}

func (p *process) start() {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.f.tb.Fatal(err)
	}
	p.addr, p.server = l.Addr().String(), grpc.NewServer()
	pb.RegisterPlacementServer(p.server, p)
	server := p.server
	go func() { _ = server.Serve(l) }()
}

func (f *fake) addrs() string {
	var all []string
	for _, p := range f.procs {
		all = append(all, p.addr)
	}
	return strings.Join(all, ",")
}

// lead begins a term; the streams of the one before end. Nobody leads with -1.
func (f *fake) lead(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for node := range f.sessions {
		f.cut(node)
	}
	f.leader, f.directory = i, nil
	if i < 0 {
		return
	}
	f.term++
	var live []placement.Member
	for _, m := range f.members {
		live = append(live, m)
	}
	f.directory = driver.NewDirectory(f.term, live, rand.New(rand.NewPCG(f.term, 1)))
	f.waiting = make(map[uint64]func(driver.Answer))
}

// cut ends the stream of a member. It needs mu.
func (f *fake) cut(node placement.NodeID) {
	if s := f.sessions[node]; s != nil {
		s.cancel()
		delete(f.sessions, node)
	}
}

// expire ends a lease.
func (f *fake) expire(node placement.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, node)
	f.cut(node)
	if f.directory == nil {
		return
	}
	f.answer(f.directory.Lost(node))
	for _, s := range f.sessions {
		s.out.Lost = append(s.out.Lost, uint64(node))
		s.signal()
	}
}

// await waits for a condition that is looked at under the lock.
func (f *fake) await(what string, condition func() bool) {
	f.tb.Helper()
	end := time.Now().Add(patience)
	stop := time.AfterFunc(patience, f.changed.Broadcast)
	defer stop.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for !condition() {
		if time.Now().After(end) {
			f.tb.Fatalf("in vain: %s", what)
		}
		f.changed.Wait()
	}
}

func (p *process) Join(_ context.Context, r *pb.JoinRequest) (*pb.JoinResponse, error) {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Cluster == "wrong" {
		return nil, status.Error(codes.InvalidArgument, "this is another cluster")
	}
	if p.script == nil && f.directory == nil {
		return nil, status.Error(codes.Unavailable, "there is no leader")
	}
	f.last++
	m := placement.Member{ID: f.last, Name: r.Member.Name, Addr: r.Member.Addr}
	for _, t := range r.Member.Types {
		m.Types = append(m.Types, placement.Type{Name: t.Name, Stateless: t.Stateless})
	}
	f.members[m.ID] = m
	if f.directory != nil {
		f.answer(f.directory.Join(m))
	}
	return &pb.JoinResponse{Node: uint64(m.ID), Lease: 7, TtlMs: f.ttl.Milliseconds(), Term: f.term}, nil
}

func (p *process) Renew(_ context.Context, r *pb.RenewRequest) (*pb.RenewResponse, error) {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renewals++
	if _, ok := f.members[placement.NodeID(r.Node)]; !ok || r.Lease != 7 {
		return nil, status.Error(codes.FailedPrecondition, "the lease has ended")
	}
	return &pb.RenewResponse{TtlMs: f.ttl.Milliseconds()}, nil
}

func (p *process) Leave(_ context.Context, r *pb.LeaveRequest) (*pb.LeaveResponse, error) {
	p.f.expire(placement.NodeID(r.Node))
	return &pb.LeaveResponse{}, nil
}

func (p *process) Members(context.Context, *pb.MembersRequest) (*pb.MembersResponse, error) {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	var response pb.MembersResponse
	for _, m := range f.members {
		response.Members = append(response.Members, &pb.Member{Id: uint64(m.ID), Name: m.Name, Addr: m.Addr})
	}
	return &response, nil
}

func (p *process) Session(stream pb.Placement_SessionServer) error {
	p.f.mu.Lock()
	script := p.script
	p.f.mu.Unlock()
	if script != nil {
		return script(stream)
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	s := &fakeSession{filled: make(chan struct{}, 1), cancel: cancel}
	node, d, err := p.f.hello(p, first.GetHello(), s)
	if err != nil {
		return err
	}
	if d == nil {
		return stream.Send(s.out)
	}
	go func() {
		defer cancel()
		for {
			b, err := stream.Recv()
			if err != nil || !p.f.take(node, d, s, b) {
				return
			}
		}
	}()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		if err := stream.Send(p.f.next(s)); err != nil {
			return err
		}
		select {
		case <-s.filled:
		case <-beat.C:
		case <-ctx.Done():
			return status.Error(codes.Unavailable, "the stream is cut")
		}
	}
}

// hello begins a session. Without a directory there is only an elsewhere to send.
func (f *fake) hello(p *process, h *pb.Hello, s *fakeSession) (placement.NodeID, *driver.Directory, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	node := placement.NodeID(h.GetNode())
	if f.leader != p.index {
		e := &pb.Elsewhere{}
		if f.leader >= 0 {
			e.Addr = f.procs[f.leader].addr
		}
		s.out = &pb.LeaderBatch{Elsewhere: e}
		return 0, nil, nil
	}
	if _, ok := f.members[node]; !ok || f.forgets {
		f.forgets = false
		return 0, nil, status.Error(codes.FailedPrecondition, "the lease has ended")
	}
	f.cut(node)
	f.sessions[node] = s
	s.out = &pb.LeaderBatch{Welcome: &pb.Welcome{Term: f.term, Report: !f.directory.Reported(node), BeatMs: 1000}}
	return node, f.directory, nil
}

func (f *fake) next(s *fakeSession) *pb.LeaderBatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := s.out
	s.out = &pb.LeaderBatch{}
	return b
}

func (s *fakeSession) signal() {
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// take does what a member asks. It reports false when the stream has ended.
func (f *fake) take(node placement.NodeID, d *driver.Directory, s *fakeSession, b *pb.NodeBatch) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.changed.Broadcast()
	if f.directory != d || f.sessions[node] != s {
		return false
	}
	if f.lose != nil && f.lose(b) {
		f.cut(node)
		return false
	}
	if f.record {
		f.batches = append(f.batches, b)
	}
	if len(b.Report) > 0 || b.Reported {
		var held []driver.Held
		for _, g := range b.Report {
			held = append(held, driver.Held{ID: mallee.ID{Type: g.Actor.Type, Key: g.Actor.Key}, Epoch: g.Epoch})
		}
		f.answer(d.Report(node, held, b.Reported))
	}
	if b.Status != nil {
		d.Renew(node, placement.Status{Cordoned: b.Status.Cordoned, Load: int(b.Status.Load)})
	}
	for _, r := range b.Releases {
		id := mallee.ID{Type: r.Grant.Actor.Type, Key: r.Grant.Actor.Key}
		if d.Release(id, placement.Grant{Node: node, Epoch: r.Grant.Epoch}, placement.NodeID(r.To)) {
			s.out.Released = append(s.out.Released, r.Grant)
		}
	}
	for _, q := range b.Questions {
		f.question(node, d, s, q)
	}
	s.signal()
	return true
}

// question needs mu.
func (f *fake) question(node placement.NodeID, d *driver.Directory, s *fakeSession, q *pb.Question) {
	id := mallee.ID{Type: q.Actor.Type, Key: q.Actor.Key}
	if q.Successor {
		to, err := d.Successor(node, id)
		f.reply(s, q.Ticket, driver.Answer{Grant: placement.Grant{Node: to}, Err: err})
		return
	}
	f.ticket++
	f.waiting[f.ticket] = func(a driver.Answer) { f.reply(s, q.Ticket, a) }
	if a, done := d.Locate(f.ticket, driver.Question{ID: id, From: node}); done {
		f.answer([]driver.Answer{a})
	}
}

// answer needs mu.
func (f *fake) answer(answers []driver.Answer) {
	for _, a := range answers {
		if reply := f.waiting[a.Ticket]; reply != nil {
			delete(f.waiting, a.Ticket)
			reply(a)
		}
	}
}

// reply needs mu.
func (f *fake) reply(s *fakeSession, ticket uint64, a driver.Answer) {
	message := &pb.Answer{Ticket: ticket, Node: uint64(a.Grant.Node), Epoch: a.Grant.Epoch}
	if a.Err != nil {
		e := mallee.AsError(a.Err)
		message.Error = &pb.Error{Code: string(e.Code), Message: e.Message}
	}
	s.out.Answers = append(s.out.Answers, message)
	s.signal()
}

// node is a member over a driver of its own.
type node struct {
	placement.Driver
	id placement.NodeID
}

func (f *fake) join(name string, c placement.Control) node {
	f.tb.Helper()
	d := placement.Dial(f.addrs())
	l, err := d.Join(ctx(f.tb), placement.Member{Name: name, Addr: name + ":1", Types: hosts}, c)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.tb.Cleanup(func() { _ = d.Leave(context.Background(), l.ID) })
	return node{d, l.ID}
}

func (n node) locate(tb testing.TB, key string) placement.Grant {
	tb.Helper()
	g, err := n.Locate(ctx(tb), n.id, id(key))
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// ctx is the patience of a test.
func ctx(tb testing.TB) context.Context {
	c, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return c
}

func (f *fake) owner(key string) (g placement.Grant) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, _ = f.directory.Owner(id(key))
	return g
}

func keys(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	return all
}
