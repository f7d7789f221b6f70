package clustertest_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/node"
)

// copies are those of a node in Go.
type copies struct{ *node.Node }

func (c copies) set(name string) *mallee.Replicated[crdt.ORSet[string]] {
	return mallee.NewReplicated[crdt.ORSet[string]](c, mallee.ID{Type: "Set", Key: name})
}

func (c copies) counter() *mallee.Replicated[crdt.PNCounter] {
	return mallee.NewReplicated[crdt.PNCounter](c, mallee.ID{Type: "Counter", Key: "all"})
}

func (c copies) put(ctx context.Context, name, element string, there bool, safe crdt.Consistency) error {
	s := c.set(name)
	if err := s.Wait(ctx, crdt.Local); err != nil { // at first
		return err
	}
	change := s.Value.Add
	if !there {
		change = s.Value.Remove
	}
	if err := change(element); err != nil {
		return err
	}
	return s.Wait(ctx, safe)
}

func (c copies) count(ctx context.Context, safe crdt.Consistency) error {
	r := c.counter()
	if err := r.Wait(ctx, crdt.Local); err != nil {
		return err
	}
	if _, err := r.Value.Add(1); err != nil {
		return err
	}
	return r.Wait(ctx, safe)
}

func (c copies) elements(ctx context.Context, name string) (all []string, err error) {
	s := c.set(name)
	if err := s.Wait(ctx, crdt.Local); err != nil {
		return nil, err
	}
	for e, err := range s.Value.All() {
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (c copies) total(ctx context.Context) (int64, error) {
	r := c.counter()
	if err := r.Wait(ctx, crdt.Local); err != nil {
		return 0, err
	}
	return r.Value.Value()
}

func (c copies) stops(t testing.TB) {
	if err := c.Stop(within(t)); err != nil {
		t.Error(err)
	}
}

// copiesAt starts nodes that host the crowd.
func (c *cluster) copiesAt(names ...string) (all []holder) {
	c.t.Helper()
	for _, name := range names {
		all = append(all, copies{c.host(name)})
	}
	return all
}

// Actors use the copies of the nodes where they live, beside a process that hosts
// nothing.
func TestReplicasOfActorsAndClients(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	for i := range 3 {
		c.host(fmt.Sprint("node", i))
	}
	client := c.client()
	const tallies, rounds = 12, 5
	of := func(i int) crowd.TallyRef { return crowd.TallyOf(client, fmt.Sprint(i)) }
	for round := range int64(rounds) {
		for i := range tallies {
			if err := of(i).Mark(within(t), round+1, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range tallies { // each reads what the next one has changed, wherever that lives
		key := fmt.Sprint((i + 1) % tallies)
		m, err := of(i).Marks(within(t), key, 0, 100)
		if err != nil || m.Sum != rounds || !slices.Equal(m.Ops, []int64{1, 2, 3, 4, 5}) {
			t.Errorf("tally %d has %+v of tally %s: %v", i, m, key, err)
		}
	}
	for i := range tallies {
		sum := mallee.NewReplicated[crdt.PNCounter](client, mallee.ID{Type: "Sum", Key: fmt.Sprint(i)})
		if err := sum.Wait(within(t), crdt.Local); err != nil {
			t.Fatal(err)
		}
		if err := sum.Refresh(within(t)); err != nil {
			t.Fatal(err)
		}
		if n, err := sum.Value.Add(-rounds); err != nil || n != 0 {
			t.Errorf("the client has %d, %v", n, err)
		}
		if err := sum.Wait(within(t), crdt.All); err != nil {
			t.Error(err)
		}
		if m, err := of(i).Marks(within(t), fmt.Sprint(i), 0, 0); err != nil || m.Sum != 0 {
			t.Errorf("tally %d has %+v, %v", i, m, err)
		}
	}
}

// What was acknowledged is there when all nodes and all placement drivers have been
// away at once: what a majority had when they crash, and all of it when they are
// stopped.
func TestReplicasOutliveTheCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, soon)
	c.keepInEtcd()
	all := c.copiesAt("node0", "node1", "node2")
	live := addAt(t, all...)
	for round, end := range []func(copies){func(c copies) { c.Abort() }, func(c copies) { c.stops(t) }} {
		var ending sync.WaitGroup
		for _, h := range all {
			ending.Go(func() { end(h.(copies)) })
		}
		ending.Wait()
		for _, one := range live.all {
			one.left(round > 0)
		}
		c.stopAll()
		c.startAll()
		all = c.copiesAt(fmt.Sprint("node0-", round), fmt.Sprint("node1-", round), fmt.Sprint("node2-", round))
		for i, one := range live.all {
			one.through(all[i])
		}
		live.goOn()
	}
	live.end(all...)
}

// Nodes that are stopped, one after the other, take nothing along, whatever they do
// until the last moment.
func TestReplicasRollingRestart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.keepInEtcd()
	all := c.copiesAt("node0", "node1", "node2")
	live := addAt(t, all...)
	for i, h := range all {
		h.(copies).stops(t)
		live.all[i].left(true)
		all[i] = copies{c.host(fmt.Sprint("node", i, "-again"))}
		live.all[i].through(all[i])
		live.goOn()
	}
	live.end(all...)
}
