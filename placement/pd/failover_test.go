package pd_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
)

// eventually waits for a status.
func eventually(t testing.TB, c client, wanted func(*placementpb.StatusResponse) bool) *placementpb.StatusResponse {
	t.Helper()
	var last *placementpb.StatusResponse
	for ctx := within(t); ctx.Err() == nil; {
		s, err := c.Status(ctx, &placementpb.StatusRequest{})
		if err == nil && wanted(s) {
			return s
		}
		last = s
	}
	t.Fatalf("the status stays %v", last)
	return nil
}

// leading waits until one of the processes leads in a term.
func leading(t testing.TB, c client, term uint64) *placementpb.StatusResponse {
	t.Helper()
	return eventually(t, c, func(s *placementpb.StatusResponse) bool { return s.GetTerm() >= term })
}

func leaderOf(t testing.TB, s *placementpb.StatusResponse, servers []*pd.Server) int {
	t.Helper()
	for _, p := range s.GetProcesses() {
		for i, server := range servers {
			if p.GetLeader() && p.GetAddr() == server.Addr() {
				return i
			}
		}
	}
	t.Fatalf("no leader in %v", s)
	return 0
}

// The leader ends; the next one hears from the nodes what they have, 25,000
// actors in parts, and answers what it was asked meanwhile.
func TestFailover(t *testing.T) {
	t.Parallel()
	servers := startAll(t, trio(t))
	clients := make(map[string]client)
	for _, s := range servers {
		clients[s.Addr()] = dial(t, s.Addr())
	}
	before := leading(t, clients[servers[0].Addr()], 1)
	first := leaderOf(t, before, servers)
	survivor := clients[servers[(first+1)%3].Addr()]
	a, b := join(t, survivor, "a"), join(t, survivor, "b") // by a follower
	a.begin(clients)
	b.begin(clients)
	const actors = 25_000
	for i := range actors {
		a.ticket++
		a.send(&placementpb.NodeBatch{Questions: []*placementpb.Question{{Ticket: a.ticket, Actor: actor(fmt.Sprint(i))}}})
	}
	owners := make(map[string]*placementpb.Answer)
	a.until("all answers", func(batch *placementpb.LeaderBatch) bool {
		for _, each := range batch.GetAnswers() {
			key := fmt.Sprint(each.GetTicket() - 1)
			owners[key] = each
			of := a
			if each.GetNode() == b.id {
				of = b
			}
			of.held = append(of.held, &placementpb.Grant{Actor: actor(key), Epoch: each.GetEpoch()})
		}
		return len(owners) == actors
	})
	if len(a.held) < actors/3 || len(b.held) < actors/3 {
		t.Errorf("%d and %d actors", len(a.held), len(b.held))
	}
	stop(t, servers[first])
	delete(clients, servers[first].Addr())
	a.ended()
	a.begin(clients)
	if a.term <= before.GetTerm() {
		t.Errorf("term %d after %d", a.term, before.GetTerm())
	}
	// What a has reported is answered; what b may have has to wait for it.
	if g := a.locate(key(a.held[7])); g.GetNode() != a.id || g.GetEpoch() != a.held[7].GetEpoch() {
		t.Errorf("%v, had %v", g, a.held[7])
	}
	a.ask("new")
	b.ended()
	b.begin(clients)
	if g := a.answer(); g.GetNode() == 0 || g.GetEpoch() <= owners["0"].GetEpoch() {
		t.Errorf("%v", g)
	}
	for _, held := range b.held[:10] {
		if g := a.locate(key(held)); g.GetNode() != b.id || g.GetEpoch() != held.GetEpoch() {
			t.Errorf("%v, had %v", g, held)
		}
	}
	// A candidate that etcd has failed stands again a little later.
	eventually(t, survivor, func(after *placementpb.StatusResponse) bool {
		for _, p := range after.GetProcesses() {
			if p.GetHealthy() == (p.GetAddr() == servers[first].Addr()) {
				return false
			}
		}
		return !after.GetRecovering() && after.GetActors() == actors+1 && len(after.GetProcesses()) == 3
	})
}

func key(g *placementpb.Grant) string { return g.GetActor().GetKey() }

// Processes that end and come back on their directories go on where they were.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := config(t)
	var last, term uint64
	for range 3 {
		s := start(t, c)
		n := joinOnce(t, dial(t, s.Addr()), "a")
		if n.id <= last || n.term <= term {
			t.Errorf("node %d in term %d, after %d in %d", n.id, n.term, last, term)
		}
		last, term = n.id, n.term
		stop(t, s)
	}
	c.Cluster = "another"
	n := dial(t, start(t, c).Addr())
	_, err := n.Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: &placementpb.Member{Addr: "a:1"}})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("of another cluster: %v", err)
	}
}
