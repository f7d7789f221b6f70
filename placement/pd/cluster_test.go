package pd_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// patience bounds what has to happen; nothing is measured by it.
const patience = time.Minute

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// config is of a process that is alone, with the shortest lease.
func config(t testing.TB) pd.Config {
	t.Helper()
	return pd.Config{
		Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Listen: etcdtest.FreeAddress(t).Host, PeerListen: etcdtest.FreeAddress(t).Host, LeaseTTL: time.Second,
	}
}

func start(t testing.TB, c pd.Config) *pd.Server {
	t.Helper()
	s, err := pd.Start(within(t), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *pd.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// trio is a configuration of three processes. Its leases outlive an etcd that
// takes its time to elect a leader.
func trio(t testing.TB) []pd.Config {
	t.Helper()
	all := make([]pd.Config, 3)
	var cluster []string
	for i := range all {
		all[i] = config(t)
		all[i].Name, all[i].LeaseTTL = fmt.Sprint("pd", i), 10*time.Second
		cluster = append(cluster, all[i].Name+"=http://"+all[i].PeerListen)
	}
	for i := range all {
		all[i].InitialCluster = strings.Join(cluster, ",")
	}
	return all
}

// startAll starts processes that need each other.
func startAll(t testing.TB, all []pd.Config) []*pd.Server {
	t.Helper()
	type result struct {
		i   int
		s   *pd.Server
		err error
	}
	results := make(chan result, len(all))
	ctx := within(t)
	for i, c := range all {
		go func() {
			s, err := pd.Start(ctx, c)
			results <- result{i, s, err}
		}()
	}
	servers := make([]*pd.Server, len(all))
	for range all {
		r := <-results
		if r.err != nil {
			t.Error(r.err)
			continue
		}
		servers[r.i] = r.s
		t.Cleanup(func() { stop(t, r.s) })
	}
	if t.Failed() {
		t.FailNow()
	}
	return servers
}

// client asks one process of the placement driver.
type client struct {
	placementpb.PlacementClient
	placementpb.AdminClient
}

func dial(t testing.TB, addr string) client {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client{placementpb.NewPlacementClient(conn), placementpb.NewAdminClient(conn)}
}

// node is a member as the protocol sees it.
type node struct {
	t     testing.TB
	id    uint64
	lease int64
	term  uint64
	held  []*placementpb.Grant

	stream placementpb.Placement_SessionClient
	inbox  chan *placementpb.LeaderBatch // closed when the session has ended
	ticket uint64
}

// join makes a node that hosts the type A, and keeps its lease.
func join(t testing.TB, c client, name string) *node {
	t.Helper()
	n := joinOnce(t, c, name)
	renew(t, n, c)
	return n
}

func joinOnce(t testing.TB, c client, name string) *node {
	t.Helper()
	r, err := c.Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: &placementpb.Member{
		Name: name, Addr: "127.0.0.1:1", Types: []*placementpb.Type{{Name: "A"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &node{t: t, id: r.GetNode(), lease: r.GetLease(), term: r.GetTerm()}
}

// renew keeps a lease until the end of the test.
func renew(t testing.TB, n *node, clients ...client) {
	go func() {
		for i := 0; t.Context().Err() == nil; i++ {
			_, _ = clients[i%len(clients)].Renew(t.Context(), &placementpb.RenewRequest{Node: n.id, Lease: n.lease})
			select {
			case <-t.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
}

// begin opens a session with whichever of the processes leads, and reports if
// asked to.
func (n *node) begin(clients map[string]client) {
	n.t.Helper()
	ctx := within(n.t)
	for ctx.Err() == nil {
		for _, c := range clients {
			if n.try(ctx, c) {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	n.t.Fatal("nobody leads")
}

func (n *node) try(ctx context.Context, c client) bool {
	n.t.Helper()
	stream, err := c.Session(n.t.Context())
	if err != nil {
		return false
	}
	hello := &placementpb.Hello{Node: n.id, Lease: n.lease, Term: n.term}
	if err := stream.Send(&placementpb.NodeBatch{Hello: hello}); err != nil {
		return false
	}
	first, err := stream.Recv()
	if err != nil || first.GetWelcome() == nil {
		_ = stream.CloseSend()
		return false
	}
	n.stream, n.term = stream, first.GetWelcome().GetTerm()
	inbox := make(chan *placementpb.LeaderBatch, 1000)
	n.inbox = inbox
	go func() {
		defer close(inbox)
		for {
			b, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case inbox <- b:
			case <-n.t.Context().Done():
				return
			}
		}
	}()
	if first.GetWelcome().GetReport() {
		n.report()
	}
	return ctx.Err() == nil
}

// report tells what the node holds, in parts of 10,000 grants.
func (n *node) report() {
	n.t.Helper()
	rest := n.held
	for {
		part := rest[:min(len(rest), 10_000)]
		rest = rest[len(part):]
		n.send(&placementpb.NodeBatch{Report: part, Reported: len(rest) == 0})
		if len(rest) == 0 {
			return
		}
	}
}

func (n *node) send(b *placementpb.NodeBatch) {
	n.t.Helper()
	if err := n.stream.Send(b); err != nil {
		n.t.Fatal(err)
	}
}

// locate asks for the owner of an actor and waits for the answer.
func (n *node) locate(key string) *placementpb.Answer {
	n.t.Helper()
	n.ask(key)
	return n.answer()
}

func (n *node) ask(key string) {
	n.t.Helper()
	n.ticket++
	n.send(&placementpb.NodeBatch{Questions: []*placementpb.Question{{Ticket: n.ticket, Actor: actor(key)}}})
}

// answer waits for the answer to the last question.
func (n *node) answer() *placementpb.Answer {
	n.t.Helper()
	var a *placementpb.Answer
	n.until("an answer", func(b *placementpb.LeaderBatch) bool {
		for _, each := range b.GetAnswers() {
			if each.GetTicket() == n.ticket {
				a = each
			}
		}
		return a != nil
	})
	return a
}

// until reads what the leader sends.
func (n *node) until(what string, found func(*placementpb.LeaderBatch) bool) {
	n.t.Helper()
	ctx := within(n.t)
	for {
		select {
		case b, ok := <-n.inbox:
			if !ok {
				n.t.Fatalf("the session ended before %s came", what)
			}
			if found(b) {
				return
			}
		case <-ctx.Done():
			n.t.Fatalf("%s did not come", what)
		}
	}
}

// ended waits for the end of the session.
func (n *node) ended() {
	n.t.Helper()
	ctx := within(n.t)
	for {
		select {
		case _, ok := <-n.inbox:
			if !ok {
				return
			}
		case <-ctx.Done():
			n.t.Fatal("the session did not end")
		}
	}
}

func actor(key string) *placementpb.Actor { return &placementpb.Actor{Type: "A", Key: key} }
