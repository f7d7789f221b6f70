package pd_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// grantsPerTerm is how epochs tell of their terms.
const grantsPerTerm = 1 << 40

// A leader is cut off from etcd as it is while its process is stopped, another
// one follows, and the first goes on for as long as it does not know. What it
// has granted before a node reports to the other one, that one answers too; what
// it grants later has a term that is over, by which nodes refuse it.
func TestLeaderThatHasBeenFollowed(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	links := chaos.NewLinks()
	proxy, err := chaos.NewProxy(chaos.ProxyConfig{
		Process: "etcd", Target: etcd.Endpoints()[0], Links: links, Source: func(net.Addr) string { return "first" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	first := start(t, pd.Config{Name: "first", Listen: "127.0.0.1:0", Etcd: []string{proxy.Addr()}, LeaseTTL: time.Minute})
	old := dial(t, first.Addr())
	leading(t, old, 1)
	second := start(t, pd.Config{Name: "second", Listen: "127.0.0.1:0", Etcd: etcd.Endpoints(), LeaseTTL: time.Minute})
	next := dial(t, second.Addr())
	eventually(t, old, func(s *placementpb.StatusResponse) bool { return len(s.GetProcesses()) == 2 })
	nodes := []*node{joinOnce(t, next, "a"), joinOnce(t, next, "b")}
	for _, n := range nodes {
		n.begin(map[string]client{"": old})
	}
	owners := make(map[string]*placementpb.Answer)
	for i := range 20 {
		placeOn(t, nodes, owners, fmt.Sprint("before", i))
	}

	cut := []chaos.Link{{From: "first", To: "etcd"}, {From: "etcd", To: "first"}}
	links.Cut(cut...)
	direct := rawEtcd(t, etcd.Endpoints()[0])
	candidates, err := direct.Get(within(t), "/mallee/mallee/election/", clientv3.WithFirstCreate()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.Delete(within(t), string(candidates.Kvs[0].Key)); err != nil { // its lease has ended
		t.Fatal(err)
	}
	for term := ""; term != "2"; { // the second would ask the first for its status, as long as it takes it for the leader
		got, err := direct.Get(within(t), "/mallee/mallee/term")
		if err != nil {
			t.Fatal(err)
		}
		term = string(got.Kvs[0].Value)
	}
	for i := range 20 { // the first leads no more, and goes on
		placeOn(t, nodes, owners, fmt.Sprint("after", i))
	}
	t.Log(len(owners), "actors")
	stale := make([]node, len(nodes))
	for i, n := range nodes {
		stale[i] = *n // its session with the first
		n.begin(map[string]client{"": next})
	}
	for key, was := range owners {
		if g := nodes[0].locate(key); g.GetNode() != was.GetNode() || g.GetEpoch() != was.GetEpoch() {
			t.Errorf("%s: the first has answered %v, the second %v", key, was, g)
		}
	}
	for i := range 20 {
		key := fmt.Sprint("late", i)
		g := nodes[0].locate(key)
		if term := g.GetEpoch() / grantsPerTerm; term != nodes[0].term {
			t.Errorf("%v in term %d", g, nodes[0].term)
		}
		if late := stale[0].attempt(key); late != nil && late.GetEpoch()/grantsPerTerm >= nodes[0].term {
			t.Errorf("the first answers %v, the second %v", late, g)
		}
	}

	links.Heal(cut...)
	for i := range stale {
		stale[i].ended()
	}
	leading(t, old, 2) // it asks the second
}

// placeOn has both nodes ask for an actor, as long as their leader answers, and
// the owner hold it.
func placeOn(t testing.TB, nodes []*node, owners map[string]*placementpb.Answer, key string) {
	t.Helper()
	for _, n := range nodes {
		g := n.attempt(key)
		if g == nil {
			return
		}
		if was := owners[key]; was != nil && was.GetEpoch() != g.GetEpoch() {
			t.Errorf("%s: %v, then %v", key, was, g)
		}
		if g.GetNode() == n.id {
			owners[key] = g
			n.held = append(n.held, &placementpb.Grant{Actor: actor(key), Epoch: g.GetEpoch()})
		}
	}
}

// attempt is locate, and gives nil when the session ends before the answer.
func (n *node) attempt(key string) *placementpb.Answer {
	n.t.Helper()
	n.ticket++
	if n.stream.Send(&placementpb.NodeBatch{Questions: []*placementpb.Question{{Ticket: n.ticket, Actor: actor(key)}}}) != nil {
		return nil
	}
	ctx := within(n.t)
	for {
		select {
		case b, ok := <-n.inbox:
			if !ok {
				return nil
			}
			for _, each := range b.GetAnswers() {
				if each.GetTicket() == n.ticket {
					return each
				}
			}
		case <-ctx.Done():
			n.t.Fatal("neither an answer nor the end of the session")
		}
	}
}
