// Package malleetest runs clusters of actors inside a test, on a network,
// a placement driver and a store in memory.
//
// Inside a bubble of testing/synctest time is fake: timeouts, timers, idle
// collection and leases take no real time.
//
//	func TestGive(t *testing.T) {
//		types := []mallee.Type{game.PlayerType(game.NewPlayer)}
//		malleetest.Each(t, types, func(t *testing.T, c *malleetest.Cluster) {
//			total, err := game.PlayerOf(c.Node(0), "1001").Give(t.Context(), "sword", 1)
//			...
//		})
//	}
package malleetest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// LeaseTTL is how long a node of a test cluster that has been killed or
// isolated keeps its actors.
const LeaseTTL = 5 * time.Second

// patience bounds what the cluster does by itself.
const patience = time.Minute

// Runner says how the calls of a test body travel.
type Runner uint8

// Runners. A body that passes on all of them does not depend on where its actors
// are.
const (
	Local     Runner = iota // one node: values go through the mailbox
	Encoded                 // one node, but every call is encoded and decoded
	Clustered               // three nodes
	OverTCP                 // three nodes that talk over the loopback interface, in real time
)

func (r Runner) String() string {
	return [...]string{"local", "encoded", "clustered", "over TCP"}[r]
}

// Each runs body on every Runner in fake time as a subtest. OverTCP has sockets,
// which know real time alone: start it in a test of its own.
func Each(t *testing.T, types []mallee.Type, body func(t *testing.T, c *Cluster)) {
	t.Helper()
	for _, r := range []Runner{Local, Encoded, Clustered} {
		t.Run(r.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { body(t, r.Start(t, types...)) })
		})
	}
}

// Start starts the cluster of a Runner.
func (r Runner) Start(t testing.TB, types ...mallee.Type) *Cluster {
	t.Helper()
	n := 1
	if r >= Clustered {
		n = 3
	}
	return start(t, n, r, types)
}

// Cluster is a cluster of nodes inside a test. Node numbers count from 0. Its
// methods are for the goroutine of the test.
type Cluster struct {
	t         testing.TB
	types     []mallee.Type
	network   *transport.Memory // nil: each node opens its own
	encoded   bool
	placement placement.Driver
	store     storage.Store
	members   []*member
	killed    []*node.Node
}

type member struct {
	node  *node.Node
	link  *driverLink
	alive bool
}

// Start runs n nodes that host the types until the test ends. The test fails
// when they cannot stop then.
func Start(t testing.TB, n int, types ...mallee.Type) *Cluster {
	t.Helper()
	return start(t, n, Clustered, types)
}

func start(t testing.TB, n int, r Runner, types []mallee.Type) *Cluster {
	t.Helper()
	c := &Cluster{t: t, types: types, encoded: r == Encoded, placement: placement.Memory(LeaseTTL), store: storage.Memory()}
	if r != OverTCP {
		c.network = transport.NewMemory()
	}
	for range n {
		c.Add()
	}
	t.Cleanup(c.stop)
	return c
}

// Add starts one more node and returns its number.
func (c *Cluster) Add() int {
	c.t.Helper()
	c.members = append(c.members, nil)
	i := len(c.members) - 1
	c.startMember(i)
	return i
}

// Restart starts a node anew that has been killed or stopped.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	if c.members[i].alive {
		c.t.Fatalf("node %d is running", i)
	}
	c.startMember(i)
}

func (c *Cluster) startMember(i int) {
	c.t.Helper()
	link := &driverLink{Driver: c.placement}
	var network transport.Network
	switch {
	case c.encoded:
		network = loopback{c.network}
	case c.network != nil:
		network = c.network
	}
	n, err := node.Start(context.Background(), node.Config{
		Name:      fmt.Sprintf("n%d", i),
		Types:     c.types,
		Store:     c.store,
		Placement: link,
		Network:   network,
		Log:       slog.New(slog.NewTextHandler(logWriter(c.t), nil)),
	})
	if err != nil {
		c.t.Fatalf("start node %d: %v", i, err)
	}
	c.members[i] = &member{node: n, link: link, alive: true}
}

// logWriter shows the nodes' logs with -v.
func logWriter(t testing.TB) io.Writer {
	if testing.Verbose() {
		return t.Output()
	}
	return io.Discard
}

// Node is a mallee.Caller: call actors through it.
func (c *Cluster) Node(i int) *node.Node { return c.members[i].node }

// Size is the number of nodes, dead ones included.
func (c *Cluster) Size() int { return len(c.members) }

// Store is what all nodes keep their states in.
func (c *Cluster) Store() storage.Store { return c.store }

// Owner is the number of the node that has the grant of an actor, and asks for
// one where there is none.
func (c *Cluster) Owner(id mallee.ID) int {
	c.t.Helper()
	g, err := c.placement.Locate(context.Background(), 0, id)
	if err != nil {
		c.t.Fatalf("locate %s: %v", id, err)
	}
	for i, m := range c.members {
		if m.node.ID() == g.Node {
			return i
		}
	}
	c.t.Fatalf("%s lives on node %s, which is not in the cluster", id, g.Node)
	return -1
}

// Kill ends a node as a crash would. Its actors are placed anew once its lease
// has run out.
func (c *Cluster) Kill(i int) {
	m := c.members[i]
	m.alive = false
	m.link.cut.Store(true)
	m.node.Abort()
	c.killed = append(c.killed, m.node)
}

// Stop drains a node and takes it out of the cluster.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	c.members[i].alive = false
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.members[i].node.Stop(ctx); err != nil {
		c.t.Errorf("stop node %d: %v", i, err)
	}
}

// Migrate moves an actor to node to and returns when that one has it.
func (c *Cluster) Migrate(id mallee.ID, to int) {
	c.t.Helper()
	end := time.Now().Add(patience)
	for c.Owner(id) != to {
		if time.Now().After(end) {
			c.t.Fatalf("%s has not moved to node %d", id, to)
		}
		if g, err := c.placement.Locate(context.Background(), 0, id); err == nil {
			c.move(id, g, c.members[to].node.ID())
		}
		time.Sleep(time.Millisecond)
	}
}

// move asks the owner of an actor to give it away.
func (c *Cluster) move(id mallee.ID, g placement.Grant, to placement.NodeID) {
	for _, m := range c.members {
		if m.node.ID() == g.Node {
			m.link.wants().Move(id, g, to)
		}
	}
}

// Drain moves all actors of a node to the others and returns when it has none.
// It gets no new ones until Uncordon.
func (c *Cluster) Drain(i int) {
	c.t.Helper()
	c.members[i].link.wants().Drain()
	end := time.Now().Add(patience)
	for c.Node(i).Stats().Draining {
		if time.Now().After(end) {
			c.t.Fatalf("node %d still has %d activations", i, c.Node(i).Stats().Active)
		}
		time.Sleep(time.Millisecond)
	}
}

// Uncordon lets a node have actors again.
func (c *Cluster) Uncordon(i int) { c.members[i].link.wants().Cordon(false) }

// Partition cuts the links between the given nodes and all others. All of them
// still reach the placement driver. Not with OverTCP.
func (c *Cluster) Partition(nodes ...int) {
	c.t.Helper()
	if c.network == nil {
		c.t.Fatal("links over TCP cannot be cut: use another Runner")
	}
	inside := make(map[int]bool, len(nodes))
	for _, i := range nodes {
		inside[i] = true
	}
	for i := range c.members {
		for j := range c.members {
			if inside[i] && !inside[j] {
				c.network.Cut(c.members[i].node.ID(), c.members[j].node.ID())
			}
		}
	}
}

// Isolate cuts a node off from the others and from the placement driver: it
// goes on running, fences itself before its lease is over, and joins anew
// after Heal.
func (c *Cluster) Isolate(i int) {
	c.t.Helper()
	c.Partition(i)
	c.members[i].link.cut.Store(true)
}

// Heal mends what Partition and Isolate have cut.
func (c *Cluster) Heal() {
	if c.network != nil {
		c.network.Heal()
	}
	for _, m := range c.members {
		if m.alive {
			m.link.cut.Store(false)
		}
	}
}

func (c *Cluster) stop() {
	c.t.Helper()
	c.Heal()
	for i, m := range c.members {
		if m.alive {
			c.Stop(i)
		}
	}
	// A crash ends all code of a process. Here it goes on, without effect, and
	// is waited for.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, n := range c.killed {
		if err := n.Stop(ctx); err != nil {
			c.t.Errorf("actors of a killed node do not end: %v", err)
		}
	}
}

// Client runs one more node, which hosts nothing, until the test ends. It has
// no number: no fault of the cluster touches it.
func (c *Cluster) Client() *node.Node {
	c.t.Helper()
	client := &Cluster{t: c.t, network: c.network, encoded: c.encoded, placement: c.placement}
	client.Add()
	c.t.Cleanup(client.stop)
	return client.Node(0)
}
