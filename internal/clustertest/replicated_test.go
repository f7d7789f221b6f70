package clustertest_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// entities are the replicated ones of a user function, as its sidecar's clients see
// them.
type entities struct{ *side }

// process changes an entity, if there is an update, and gives its state.
func (e entities) process(ctx context.Context, id string, u *tckcrdt.Update, c crdt.Consistency) (*tckcrdt.State, error) {
	r := &tckcrdt.Request{Id: id}
	if u != nil {
		u.WriteConsistency = tckcrdt.UpdateWriteConsistency(c) //nolint:gosec // three of them
		r.Actions = []*tckcrdt.RequestAction{{Action: &tckcrdt.RequestAction_Update{Update: u}}}
	}
	response, err := tckcrdt.NewCrdtTckModelClient(e.conn).Process(ctx, r)
	return response.GetState(), err
}

func (e entities) put(ctx context.Context, set, element string, there bool, c crdt.Consistency) error {
	u := &tckcrdt.ORSetUpdate{Action: &tckcrdt.ORSetUpdate_Add{Add: element}}
	if !there {
		u.Action = &tckcrdt.ORSetUpdate_Remove{Remove: element}
	}
	_, err := e.process(ctx, "ORSet-"+set, &tckcrdt.Update{Update: &tckcrdt.Update_Orset{Orset: u}}, c)
	return err
}

func (e entities) count(ctx context.Context, c crdt.Consistency) error {
	_, err := e.process(ctx, "PNCounter-all", increment(), c)
	return err
}

func increment() *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Pncounter{Pncounter: &tckcrdt.PNCounterUpdate{Change: 1}}}
}

func (e entities) elements(ctx context.Context, set string) ([]string, error) {
	s, err := e.process(ctx, "ORSet-"+set, nil, 0)
	return s.GetOrset().GetElements(), err
}

func (e entities) total(ctx context.Context) (int64, error) {
	s, err := e.process(ctx, "PNCounter-all", nil, 0)
	return s.GetPncounter().GetValue(), err
}

// watch opens a call that gets an entity's state with each change, until the test
// ends.
func (e entities) watch(t testing.TB, r *tckcrdt.StreamedRequest) states {
	t.Helper()
	stream, err := tckcrdt.NewCrdtTckModelClient(e.conn).ProcessStreamed(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return states{stream}
}

type states struct {
	grpc.ServerStreamingClient[tckcrdt.Response]
}

// until receives until the state is as wanted.
func (s states) until(t testing.TB, wanted func(*tckcrdt.State) bool) {
	t.Helper()
	var last *tckcrdt.State
	for {
		r, err := s.Recv()
		if err != nil {
			t.Fatalf("after %v: %v", last, err)
		}
		if last = r.GetState(); wanted(last) {
			return
		}
	}
}

// copiesBeside starts sidecars, and waits until each has the values.
func (c *cluster) copiesBeside(names ...string) []holder {
	c.t.Helper()
	all := make([]holder, len(names))
	var starting sync.WaitGroup
	for i, name := range names {
		starting.Go(func() { all[i] = entities{c.sidecar(name, sidecartest.Config{}, nil)} })
	}
	starting.Wait()
	return all
}

// What one changes all see, by calls that are open.
func TestReplicatedIsSeenByAll(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.keepInEtcd()
	all := c.copiesBeside("side0", "side1", "side2")
	const id = "PNCounter-seen"
	var watching []states
	for _, h := range all {
		watching = append(watching, h.(entities).watch(t, &tckcrdt.StreamedRequest{Id: id}))
	}
	for n := range int64(30) {
		if _, err := all[n%3].(entities).process(within(t), id, increment(), crdt.Consistency(n%3)); err != nil { //nolint:gosec // small
			t.Fatal(err)
		}
		for _, s := range watching {
			s.until(t, func(is *tckcrdt.State) bool { return is.GetPncounter().GetValue() == n+1 })
		}
	}
}

// Votes are counted over the members that there are: they come, stop, and die.
func TestVotesFollowTheMembers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	const id = "Vote-it"
	vote := func(h holder, self bool) {
		t.Helper()
		u := &tckcrdt.Update{Update: &tckcrdt.Update_Vote{Vote: &tckcrdt.VoteUpdate{SelfVote: self}}}
		if _, err := h.(entities).process(within(t), id, u, crdt.Majority); err != nil {
			t.Fatal(err)
		}
	}
	is := func(votes, voters int32) func(*tckcrdt.State) bool {
		return func(s *tckcrdt.State) bool {
			return s.GetVote().GetVotesFor() == votes && s.GetVote().GetTotalVoters() == voters
		}
	}
	all := c.copiesBeside("side0", "side1", "side2")
	watched := all[0].(entities).watch(t, &tckcrdt.StreamedRequest{Id: id})
	for i, h := range all {
		vote(h, true)
		watched.until(t, is(int32(i+1), 3)) //nolint:gosec // small
	}
	if err := all[1].(entities).Stop(within(t)); err != nil {
		t.Error(err)
	}
	watched.until(t, is(2, 2))
	fourth := c.copiesBeside("side3")[0]
	watched.until(t, is(2, 3))
	vote(fourth, true)
	watched.until(t, is(3, 3))
	vote(all[0], false)
	watched.until(t, is(2, 3))
	all[2].(entities).Node().Abort()
	watched.until(t, is(1, 2))
}

// A user function that dies takes nothing along, nor does a sidecar of what a majority
// has.
func TestReplicatedFunctionsDie(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	all := c.copiesBeside("side0", "side1", "side2")
	live := addAt(t, all...)
	for i, h := range all[:2] {
		function := h.(entities).function
		function.Stop()
		live.all[i].left(true)
		live.goOnBut(i)
		function.Restart(t)
		if err := h.(entities).Ready(within(t)); err != nil {
			t.Fatal(err)
		}
		live.all[i].through(h)
		live.goOn()
	}
	all[2].(entities).Node().Abort()
	live.all[2].left(false)
	live.goOnBut(2)
	all[2] = c.copiesBeside("side3")[0]
	live.all[2].through(all[2])
	live.goOn()
	live.end(all...)
}

// doors are proxies before the nodes of sidecars, and between each and the placement
// driver.
type doors struct {
	*cluster
	links *chaos.Links
}

const others = "the others"

// sidecar starts one behind them.
func (d doors) sidecar(name string) entities {
	d.t.Helper()
	listen := etcdtest.FreeAddress(d.t).Host
	to := d.door(name, listen, others)
	pd := d.door("pd", d.addrs()[0], name)
	return entities{d.sidecarOf(sidecartest.Config{}, node.Config{Name: name, PD: []string{pd}, Listen: listen, Advertise: to})}
}

func (d doors) door(process, target, source string) (addr string) {
	d.t.Helper()
	p, err := chaos.NewProxy(chaos.ProxyConfig{Process: process, Target: target, Links: d.links, Source: func(net.Addr) string { return source }})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.Close() })
	return p.Addr()
}

// between are both ways.
func between(a, b string) []chaos.Link { return []chaos.Link{{From: a, To: b}, {From: b, To: a}} }

// All sidecars change the same all the time, while they are cut off, lose their
// leases, stop and die. In the end all have the same, and all that was acknowledged
// but what only the one had that died.
func TestReplicatedSuffers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	d := doors{c, chaos.NewLinks()}
	all := make([]holder, 3)
	name := func(i int) string { return fmt.Sprint("side", i) }
	var starting sync.WaitGroup
	for i := range all {
		starting.Go(func() { all[i] = d.sidecar(name(i)) })
	}
	starting.Wait()
	live := addAt(t, all...)

	var alone []chaos.Link // each of them
	for i := range all {
		alone = append(alone, between(others, name(i))...)
	}
	for _, cut := range [][]chaos.Link{between(others, name(0)), alone} {
		d.links.Cut(cut...)
		live.goOn()
		d.links.Heal(cut...)
		live.goOn()
	}

	fromPD := between(name(1), "pd")
	d.links.Cut(fromPD...)
	c.log.await(t, name(1), "lease lost")
	live.goOnBut(1)
	d.links.Heal(fromPD...)
	live.goOn()

	if err := all[2].(entities).Stop(within(t)); err != nil {
		t.Error(err)
	}
	live.all[2].left(true)
	all[2] = d.sidecar(name(3))
	live.all[2].through(all[2])
	live.goOn()

	all[0].(entities).Node().Abort()
	live.all[0].left(false)
	all[0] = d.sidecar(name(4))
	live.all[0].through(all[0])
	live.goOn()
	live.end(all...)
}

// What is deleted is deleted at all sidecars, at those that come later, and after all
// have been away.
func TestReplicatedStaysDeleted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	all := c.copiesBeside("side0", "side1", "side2")
	const id = "PNCounter-deleted"
	for _, h := range all {
		if _, err := h.(entities).process(within(t), id, increment(), crdt.All); err != nil {
			t.Fatal(err)
		}
	}
	remove := &tckcrdt.Request{Id: id, Actions: []*tckcrdt.RequestAction{{Action: &tckcrdt.RequestAction_Delete{Delete: &tckcrdt.Delete{}}}}}
	if _, err := tckcrdt.NewCrdtTckModelClient(all[0].(entities).conn).Process(within(t), remove); err != nil {
		t.Fatal(err)
	}
	deleted := func(when string, all ...holder) {
		t.Helper()
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for ctx := within(t); len(all) > 0; <-again.C {
			s, err := all[0].(entities).process(ctx, id, increment(), crdt.Local)
			if err != nil && strings.Contains(err.Error(), "Entity deleted") {
				all = all[1:]
			} else if when != "" || ctx.Err() != nil {
				t.Fatalf("%s it is %v, %v", when, s, err)
			}
		}
	}
	deleted("", all...)
	for i := range all {
		if err := all[i].(entities).Stop(within(t)); err != nil {
			t.Error(err)
		}
		all[i] = c.copiesBeside(fmt.Sprint("again", i))[0]
		deleted("after a restart", all[i])
	}
	for _, h := range all {
		h.(entities).Node().Abort()
	}
	deleted("after all have died", c.copiesBeside("late0", "late1", "late2")...)
}
