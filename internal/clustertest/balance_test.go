package clustertest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// fill makes actors, each of which has counted one.
func fill(t *testing.T, n *node.Node, actors int) {
	t.Helper()
	var filling sync.WaitGroup
	for from := range 64 {
		filling.Go(func() {
			for i := from; i < actors; i += 64 {
				if sum, err := crowd.CounterOf(n, fmt.Sprint(i)).Add(t.Context(), 1, 1); err != nil || sum != 1 {
					t.Errorf("actor %d: %d, %v", i, sum, err)
					return
				}
			}
		})
	}
	filling.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func actorsOf(s *placementpb.StatusResponse, name string) int64 {
	for _, n := range s.GetNodes() {
		if n.GetMember().GetName() == name {
			return n.GetActors()
		}
	}
	return 0
}

// beats waits for signs of life of the leader, of which there is one each
// second, as often as it thinks of balance.
func (c *cluster) beats(n int) {
	c.t.Helper()
	leader := placementpb.NewPlacementClient(dial(c.t, c.configs[c.leader()].Listen, c.secure))
	joined, err := leader.Join(within(c.t), &placementpb.JoinRequest{Cluster: "mallee", TtlMs: patience.Milliseconds(), Member: &placementpb.Member{Name: "listener", Addr: "127.0.0.1:1"}})
	if err != nil {
		c.t.Fatal(err)
	}
	session, err := leader.Session(within(c.t))
	if err == nil {
		err = session.Send(&placementpb.NodeBatch{Hello: &placementpb.Hello{Node: joined.GetNode(), Lease: joined.GetLease(), Term: joined.GetTerm()}})
	}
	for range n {
		if err == nil {
			_, err = session.Recv()
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := leader.Leave(within(c.t), &placementpb.LeaveRequest{Node: joined.GetNode(), Lease: joined.GetLease()}); err != nil {
		c.t.Fatal(err)
	}
}

// A node that joins gets its share, unless that is switched off; calls do not
// notice.
func TestRebalancing(t *testing.T) {
	t.Parallel()
	const actors = 2000
	c := newCluster(t, 1)
	c.set(map[string]string{"settle": "0s", "rebalance": "off", "pace": "400"})
	c.host("node0")
	c.host("node1")
	client := c.client()
	fill(t, client, actors)
	live := call(t, client)
	third := c.host("node2")
	c.beats(4)
	if n := third.Stats().MovesIn; n != 0 {
		t.Errorf("%d actors have moved, and rebalancing is off", n)
	}
	c.set(map[string]string{"rebalance": "on"})
	share := int64(actors / 3)
	c.status("a share of the actors", func(s *placementpb.StatusResponse) bool { return actorsOf(s, "node2") >= share*8/10 })
	live.goOn()
	c.set(map[string]string{"rebalance": "off"})
	c.beats(2)
	s := c.status("balance", func(*placementpb.StatusResponse) bool { return true })
	if n := actorsOf(s, "node2"); n > share*12/10 {
		t.Errorf("%d of %d actors are on the third node", n, actors)
	}
	live.end()
	for i := range actors {
		if sum, err := crowd.CounterOf(client, fmt.Sprint(i)).Get(within(t), 2); err != nil || sum != 1 {
			t.Errorf("actor %d: %d, %v", i, sum, err)
		}
	}
}

// A drain takes what actors have in memory to other nodes, and so does Stop.
func TestDrainAndStop(t *testing.T) {
	t.Parallel()
	const rooms = 50
	c := newCluster(t, 1)
	types := append(crowd.Types(c.turns), game.RoomType(game.NewRoom))
	host := func(name string) *node.Node { return c.node(name, node.Config{Types: types}) }
	first, second := host("node0"), host("node1")
	client := c.client()
	join := func(who string, want int) {
		t.Helper()
		for i := range rooms {
			others, err := game.RoomOf(client, fmt.Sprint(i)).Join(within(t), mallee.ID{Type: "Player", Key: who})
			if err != nil || others != want {
				t.Errorf("%s meets %d others in room %d: %v", who, others, i, err)
			}
		}
	}
	join("ann", 0)
	live := call(t, client)
	third := host("node2")
	if _, err := c.tools().Tell(within(t), &placementpb.TellRequest{Name: "node0", Command: placementpb.Command_COMMAND_DRAIN}); err != nil {
		t.Fatal(err)
	}
	c.status("an empty node", func(s *placementpb.StatusResponse) bool { return actorsOf(s, "node0") == 0 })
	live.goOn()
	join("bob", 1)
	if err := second.Stop(within(t)); err != nil {
		t.Error(err)
	}
	live.goOn()
	join("cem", 2)
	if err := first.Stop(within(t)); err != nil {
		t.Error(err)
	}
	live.goOn()
	live.end()
	if s := third.Stats(); s.MovesIn < rooms {
		t.Errorf("%d actors have moved to the last node", s.MovesIn)
	}
	if s := client.Stats(); s.Repairs == 0 || s.MovesIn != 0 || s.Activations != 0 {
		t.Errorf("the client: %+v", s)
	}
}

// Types that are deployed apart call each other.
func TestTypesApart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	players := c.node("players", node.Config{Types: game.Types(), Only: []string{"Player"}})
	rooms := c.node("rooms", node.Config{Types: game.Types(), Only: []string{"Room", "Leaderboard"}})
	client := c.client()
	for i := range 10 {
		ann := game.PlayerOf(client, fmt.Sprint("ann", i))
		if _, err := ann.Enter(within(t), "lobby"); err != nil {
			t.Error(err)
		}
		// The room asks the player for its name, which waits for the room.
		if line, err := ann.Chat(within(t), "hi"); err != nil || line != fmt.Sprintf("ann%d (0 items): hi", i) {
			t.Errorf("%q, %v", line, err)
		}
	}
	if p, r := players.Stats(), rooms.Stats(); p.Served == 0 || r.Served == 0 {
		t.Errorf("%+v and %+v", p, r)
	}
	owners := make(map[string]placement.NodeID)
	answer, err := c.tools().Actors(within(t), &placementpb.ActorsRequest{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answer.GetActors() {
		owners[a.GetGrant().GetActor().GetType()] = placement.NodeID(a.GetNode())
	}
	if owners["Player"] != players.ID() || owners["Room"] != rooms.ID() {
		t.Errorf("%v; players on %s, rooms on %s", owners, players.ID(), rooms.ID())
	}
}
