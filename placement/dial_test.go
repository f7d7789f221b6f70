package placement_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement"
)

func TestDialedNodesShareActors(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3)
	a, b := f.join("a", nil), f.join("b", nil)
	for _, key := range keys(50) {
		g := a.locate(t, key)
		if other := b.locate(t, key); other != g {
			t.Fatalf("%s lives at %+v and at %+v", key, g, other)
		}
		owner, other := a, b
		if g.Node == b.id {
			owner, other = b, a
		}
		owner.locate(t, key) // the grant is its own only when it has asked
		if to, err := owner.Successor(ctx(t), owner.id, id(key)); err != nil || to != other.id {
			t.Fatalf("successor %v, %v", to, err)
		}
		if err := owner.Release(ctx(t), id(key), g, other.id); err != nil {
			t.Fatal(err)
		}
		if next := owner.locate(t, key); next.Node != other.id || next.Epoch <= g.Epoch {
			t.Fatalf("%+v after %+v went to %v", next, g, other.id)
		}
	}
	if _, err := a.Locate(ctx(t), a.id, mallee.ID{Type: "X", Key: "x"}); !errors.Is(err, mallee.ErrNotFound) || !mallee.SafeToRetry(err) {
		t.Errorf("an unknown type: %v", err)
	}
	if g, err := a.Locate(ctx(t), a.id, mallee.ID{Type: "W", Key: "x"}); err != nil || g.Epoch != 0 || g.Node == 0 {
		t.Errorf("a stateless actor: %+v, %v", g, err)
	}
	if _, err := a.Locate(ctx(t), a.id, mallee.ID{Type: "P\xff", Key: "x"}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a type that cannot be sent: %v", err)
	}
}

func TestDialResolvesMembers(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	tool := placement.Dial(" " + f.addrs() + ",, ")
	a := f.join("a", nil)
	if all, err := tool.Members(ctx(t)); err != nil || len(all) != 1 || all[0].ID != a.id || all[0].Name != "a" {
		t.Fatalf("%+v, %v", all, err)
	}
	resolver := tool.(placement.Resolver)
	b := f.join("b", nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if addr, err := resolver.Resolve(ctx(t), b.id); err != nil || addr != "b:1" {
				t.Errorf("%q, %v", addr, err)
			}
			if addr, err := resolver.Resolve(ctx(t), 999); !errors.Is(err, mallee.ErrUnavailable) {
				t.Errorf("a node that never was: %q, %v", addr, err)
			}
		})
	}
	all.Wait()
}

func TestDialRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	if _, err := placement.Dial(" , ").Join(ctx(t), placement.Member{}, nil); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("no address: %v", err)
	}
	other := placement.DialWith(placement.DialConfig{Addrs: []string{f.procs[0].addr}, Cluster: "wrong"})
	if _, err := other.Join(ctx(t), placement.Member{}, nil); !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("another cluster: %v", err)
	}
	a := f.join("a", nil)
	if _, err := a.Join(ctx(t), placement.Member{Name: "b"}, nil); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a second node: %v", err)
	}
	if _, err := a.Locate(ctx(t), a.id+1, id("1")); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("a node that has not joined: %v", err)
	}
}

// A node reports what it holds to the next leader in parts. What it releases
// meanwhile it says behind the report, which may tell of the grant.
func TestDialReportsToTheNextLeader(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3)
	a := f.join("a", nil)
	const grants = 45_000
	locateAll(t, a, keys(grants))
	first := a.locate(t, "17")
	second := a.locate(t, "18")
	f.mu.Lock()
	f.record = true
	f.lose = func(b *pb.NodeBatch) bool { // it only looks on
		if len(b.Report) > 0 && !b.Reported {
			_ = a.Release(t.Context(), id("18"), second, 0)
		}
		return false
	}
	f.mu.Unlock()
	f.lead(1)
	f.await("the report and the release", func() bool {
		_, owned := f.directory.Owner(id("18"))
		return f.directory.Reported(a.id) && !owned
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	reported := 0
	for i, b := range f.batches {
		if len(b.Releases) > 0 && !b.Reported && reported < grants {
			t.Errorf("batch %d has a release after %d of the report", i, reported)
		}
		if len(b.Report) > 10_000 || b.Reported != (reported+len(b.Report) == grants) && reported < grants {
			t.Errorf("batch %d reports %d after %d, the last one: %v", i, len(b.Report), reported, b.Reported)
		}
		reported += len(b.Report)
	}
	if g, _ := f.directory.Owner(id("17")); reported != grants || g != first {
		t.Errorf("%d grants reported, %+v instead of %+v", reported, g, first)
	}
}

func locateAll(t *testing.T, n node, all []string) {
	t.Helper()
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			for k := i; k < len(all); k += 64 {
				if _, err := n.Locate(ctx(t), n.id, id(all[k])); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// A release is repeated over new streams until the leader has taken it.
func TestDialRepeatsReleases(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	a := f.join("a", nil)
	g := a.locate(t, "1")
	lost := 0
	f.mu.Lock()
	f.lose = func(b *pb.NodeBatch) bool {
		if len(b.Releases) > 0 && lost < 3 {
			lost++
			return true
		}
		return false
	}
	f.mu.Unlock()
	if err := a.Release(ctx(t), id("1"), g, 0); err != nil {
		t.Fatal(err)
	}
	f.await("the release", func() bool {
		_, owned := f.directory.Owner(id("1"))
		return !owned
	})
	if next := a.locate(t, "1"); lost != 3 || next.Epoch <= g.Epoch {
		t.Errorf("%d streams lost, %+v after %+v", lost, next, g)
	}
}

// The last releases say where actors go: a node that leaves sends them first.
func TestDialLeavesAfterItsReleases(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	a, b := f.join("a", nil), f.join("b", nil)
	key, g := "", placement.Grant{}
	for _, key = range keys(100) {
		if g = a.locate(t, key); g.Node == a.id {
			break
		}
	}
	if err := a.Release(ctx(t), id(key), g, b.id); err != nil {
		t.Fatal(err)
	}
	if err := a.Leave(ctx(t), a.id); err != nil {
		t.Fatal(err)
	}
	if owner := f.owner(key); owner.Node != b.id {
		t.Errorf("the actor went to %+v instead of %v", owner, b.id)
	}
	if _, err := a.Locate(ctx(t), a.id, id("1")); !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("after it has left: %v", err)
	}
}

func TestDialSurvivesTheLeader(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3)
	a, b := f.join("a", nil), f.join("b", nil)
	f.lead(-1)
	var callers sync.WaitGroup
	grants := make([][2]placement.Grant, 1000)
	for i, key := range keys(len(grants)) {
		for j, n := range []node{a, b} {
			callers.Go(func() { grants[i][j] = n.locate(t, key) })
		}
	}
	f.lead(2)
	callers.Wait()
	for i, g := range grants {
		if g[0] != g[1] || g[0].Node == 0 {
			t.Fatalf("%d lives at %+v and %+v", i, g[0], g[1])
		}
	}
}

// While no process answers, a caller is told why, and all comes back by itself.
func TestDialTellsWhyNothingAnswers(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	a := f.join("a", nil)
	a.locate(t, "0")
	for _, p := range f.procs {
		p.server.Stop()
	}
	for _, limit := range []time.Duration{10 * time.Millisecond, 500 * time.Millisecond} {
		short, cancel := context.WithTimeout(t.Context(), limit)
		_, err := a.Locate(short, a.id, id("new"))
		cancel()
		if !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
			t.Errorf("got %v", err)
		}
		if limit > 100*time.Millisecond && !strings.Contains(err.Error(), f.procs[0].addr) {
			t.Errorf("the error does not name the processes: %v", err)
		}
	}
	if g := a.locate(t, "0"); g.Node != a.id {
		t.Errorf("what the node holds is nobody else's: %+v", g)
	}
	for _, p := range f.procs {
		p.start()
	}
	a.locate(t, "new")
	if err := a.Renew(ctx(t), a.id, placement.Status{}); err != nil {
		t.Error(err)
	}
}

// A node may find its lease lost a moment before its membership does.
func TestDialTellsANodeThatJoinsAnewOfItsLease(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	a := f.join("a", nil)
	f.procs[0].server.Stop()
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := a.Join(short, placement.Member{Name: "a"}, nil); err == nil {
		t.Fatal("joined nobody")
	}
	_, err := a.Locate(ctx(t), a.id, id("1"))
	if !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), "lease") {
		t.Errorf("got %v", err)
	}
}

func TestDialRenewsAtAnyProcess(t *testing.T) {
	t.Parallel()
	f := newFake(t, 3)
	a := f.join("a", nil)
	f.lead(-1)
	for i := range 2 {
		f.procs[i].server.Stop()
		if err := a.Renew(ctx(t), a.id, placement.Status{}); err != nil {
			t.Fatal(err)
		}
	}
	f.expire(a.id)
	if err := a.Renew(ctx(t), a.id, placement.Status{}); !errors.Is(err, mallee.ErrFenced) {
		t.Errorf("a lease that has ended: %v", err)
	}
	if _, err := a.Locate(ctx(t), a.id, id("1")); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("after the lease: %v", err)
	}
	f.lead(2)
	l, err := a.Join(ctx(t), placement.Member{Name: "a", Types: hosts}, nil)
	if err != nil || l.ID == a.id {
		t.Fatalf("%+v, %v", l, err)
	}
	again := node{a.Driver, l.ID}
	again.locate(t, "1")
	if err := again.Leave(ctx(t), l.ID); err != nil {
		t.Fatal(err)
	}
}

// A leader of the past that does not know the node yet does not end its lease.
func TestDialBelievesOnlyRenewalsOfALostLease(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	a := f.join("a", nil)
	g := a.locate(t, "1")
	f.mu.Lock()
	f.forgets = true
	f.mu.Unlock()
	f.lead(1)
	a.locate(t, "2")
	if owner := f.owner("1"); owner != g {
		t.Errorf("%+v instead of %+v", owner, g)
	}
}

// A node that cannot renew stops by its own clock.
func TestDialFencesItself(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	f.ttl = 300 * time.Millisecond
	a := f.join("a", nil)
	f.procs[0].server.Stop()
	if _, err := a.Locate(ctx(t), a.id, id("1")); !errors.Is(err, mallee.ErrUnavailable) || !strings.Contains(err.Error(), "lease") {
		t.Errorf("past the lease: %v", err)
	}
	if err := a.Renew(ctx(t), a.id, placement.Status{}); !errors.Is(err, mallee.ErrFenced) {
		t.Errorf("past the lease: %v", err)
	}
}

// told notes what a control is told.
type told struct {
	mu   sync.Mutex
	all  []string
	tell chan struct{} // has room for one: it drains
}

func (c *told) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, what)
	if what == "drain" {
		select {
		case c.tell <- struct{}{}:
		default: // a leader may say it again
		}
	}
}
func (c *told) Lost(n placement.NodeID) { c.note("lost " + n.String()) }
func (c *told) Move(id mallee.ID, g placement.Grant, to placement.NodeID) {
	c.note("move " + id.Key + " to " + to.String())
}
func (c *told) Cordon(on bool) {
	if on {
		c.note("cordon")
	} else {
		c.note("uncordon")
	}
}
func (c *told) Drain() { c.note("drain") }

func TestDialTellsTheControlInOrder(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	c := &told{tell: make(chan struct{}, 1)}
	a := f.join("a", c)
	a.locate(t, "1") // the session is there
	send := func(b *pb.LeaderBatch) {
		f.mu.Lock()
		defer f.mu.Unlock()
		s := f.sessions[a.id]
		s.out.Lost = append(s.out.Lost, b.Lost...)
		s.out.Moves = append(s.out.Moves, b.Moves...)
		s.out.Command = b.Command
		s.signal()
	}
	send(&pb.LeaderBatch{
		Lost:    []uint64{8, 9},
		Moves:   []*pb.Move{{Grant: &pb.Grant{Actor: &pb.Actor{Type: "P", Key: "1"}, Epoch: 3}, To: 9}},
		Command: pb.Command_COMMAND_DRAIN,
	})
	select {
	case <-c.tell:
	case <-time.After(patience):
		t.Fatal("not told")
	}
	if got := strings.Join(c.all, ", "); got != "lost 8, lost 9, move 1 to 9, drain" {
		t.Error(got)
	}
}
