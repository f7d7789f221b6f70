package clustertest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// Calls to live actors go on while leaders of the placement driver end, and new
// actors find their places.
func TestLeadersEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	for i := range 3 {
		c.host(fmt.Sprint("node", i))
	}
	client := c.client()
	live := call(t, client)
	for round := range 2 {
		first := c.leader()
		c.stopPD(first)
		live.goOn()
		for i := range 30 {
			sum, err := crowd.CounterOf(client, fmt.Sprint("new", round, "-", i)).Add(within(t), 1, 1)
			if err != nil || sum != 1 {
				t.Errorf("a new actor: %d, %v", sum, err)
			}
		}
		c.startAll()
		live.goOn()
	}
	live.end()
	s := c.status("all processes", func(s *placementpb.StatusResponse) bool { return !s.GetRecovering() && len(s.GetNodes()) == 4 })
	for _, n := range s.GetNodes() {
		if name := n.GetMember().GetName(); name != "client" && n.GetActors() == 0 {
			t.Errorf("%s has no actor", name)
		}
	}
	if n := c.log.has("lease lost"); n != 0 {
		t.Errorf("%d nodes have lost their leases", n)
	}
}

// Without any placement driver what lives goes on until the leases end, and all
// comes back by itself.
func TestAllPlacementDriversEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.keepInEtcd()
	hosts := []*node.Node{c.host("node0"), c.host("node1"), c.host("node2")}
	client := c.client()
	const actors = 20
	of := func(n mallee.Caller, i int) crowd.CounterRef { return crowd.CounterOf(n, fmt.Sprint(i)) }
	for i := range actors {
		if _, err := of(client, i).Add(within(t), 1, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	before := make(map[string]placement.NodeID)
	for _, n := range hosts {
		before[n.Name()] = n.ID()
	}
	c.stopAll()
	alive := 0
	for i := 0; c.log.has("client: lease lost") == 0; i = (i + 1) % actors {
		ctx, cancel := context.WithTimeout(t.Context(), patience/12)
		sum, err := of(client, i).Get(ctx, 2)
		cancel()
		if err != nil {
			break // the first host has fenced itself, and the call would wait for the next
		}
		if sum != int64(i) {
			t.Errorf("actor %d has %d", i, sum)
		}
		alive++
	}
	if alive == 0 {
		t.Error("calls ended with the placement drivers")
	}
	for _, n := range append(hosts, client) {
		c.log.await(t, n.Name()+": lease lost")
		err := refusedCall(t, n)
		if !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), "lease") {
			t.Errorf("%s: %v", n.Name(), err)
		}
	}
	c.startAll()
	for i := range actors {
		if sum, err := of(client, i).Add(within(t), 3, 1); err != nil || sum != int64(i)+1 {
			t.Errorf("actor %d has %d: %v", i, sum, err)
		}
	}
	for _, n := range hosts {
		if n.ID() == before[n.Name()] {
			t.Errorf("%s is still node %s", n.Name(), n.ID())
		}
	}
}

// refusedCall is the answer of a node that has no lease.
func refusedCall(t *testing.T, n *node.Node) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := crowd.CounterOf(n, "0").Get(ctx, 2)
	if err == nil {
		t.Fatalf("%s answers without a lease", n.Name())
	}
	return err
}
