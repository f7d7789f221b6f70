package driver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// fleet is a directory and what its members would tell of themselves.
type fleet struct {
	t   rapid.TB
	d   *driver.Directory
	now time.Time
}

func newFleet(t rapid.TB) *fleet {
	f := &fleet{t: t, d: driver.NewDirectory(1, nil, rand.New(rand.NewPCG(1, 1))), now: time.Unix(1_000_000, 0)}
	f.d.Advance(f.now)
	return f
}

func (f *fleet) pass(d time.Duration) {
	f.now = f.now.Add(d)
	f.d.Advance(f.now)
}

func (f *fleet) join(id placement.NodeID, labels map[string]string, types ...placement.Type) {
	f.d.Join(placement.Member{ID: id, Name: fmt.Sprint("n", id), Types: types, Labels: labels, Since: f.now})
}

func (f *fleet) place(actorType string, n int) {
	f.t.Helper()
	for i := range n {
		if a, done := f.d.Locate(1, driver.Question{ID: mallee.ID{Type: actorType, Key: fmt.Sprint(i)}}); !done || a.Err != nil {
			f.t.Fatalf("%+v, %t", a, done)
		}
	}
}

// move does what was planned, as owners do.
func (f *fleet) move(moves []driver.Move) {
	for _, m := range moves {
		if !f.d.Release(m.ID, m.Grant, m.To) {
			f.t.Fatalf("%+v was not taken", m)
		}
		if g, _ := f.d.Owner(m.ID); g.Node != m.To {
			f.t.Fatalf("%+v led to %+v", m, g)
		}
	}
}

func (f *fleet) node(id placement.NodeID) driver.NodeStatus {
	nodes := f.d.Nodes()
	return nodes[slices.IndexFunc(nodes, func(n driver.NodeStatus) bool { return n.Member.ID == id })]
}

// Who joins gets its share once it has settled, no faster than it is asked for,
// and then nothing moves any more.
func TestRebalancingToANewNode(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.join(1, nil, placement.Type{Name: "A"})
	f.join(2, nil, placement.Type{Name: "A"})
	f.place("A", 300)
	f.join(3, nil, placement.Type{Name: "A"})
	if moves := f.d.Plan(10); len(moves) != 0 {
		t.Fatalf("moves to a node that has just joined: %v", moves)
	}
	f.pass(driver.DefaultSettle)
	moved := make(map[mallee.ID]bool)
	total := 0
	for {
		moves := f.d.Plan(10)
		if len(moves) == 0 {
			break
		}
		if total += len(moves); len(moves) > 10 || total > 300 {
			t.Fatalf("%d moves at once, %d in all", len(moves), total)
		}
		for _, m := range moves {
			if moved[m.ID] || m.To != 3 {
				t.Fatalf("%+v", m)
			}
			moved[m.ID] = true
		}
		f.move(moves)
	}
	if got := f.node(3).Actors; got < 80 || got > 100 {
		t.Errorf("the new node got %d of 300 actors", got)
	}
	f.pass(time.Hour)
	if moves := f.d.Plan(10); len(moves) != 0 {
		t.Errorf("goes on for ever: %v", moves)
	}
}

// Moves that were planned count, whether owners do them late or never.
func TestPlannedMovesThatAreNotDone(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.join(1, nil, placement.Type{Name: "A"})
	f.place("A", 100)
	f.join(2, nil, placement.Type{Name: "A"})
	f.pass(driver.DefaultSettle)
	first := f.d.Plan(1000)
	if len(first) < 40 || len(first) > 50 {
		t.Fatalf("%d of 100 moves", len(first))
	}
	if again := f.d.Plan(1000); len(again) != 0 {
		t.Fatalf("planned twice: %v", again)
	}
	f.pass(time.Hour)
	if again := f.d.Plan(1000); len(again) != len(first) {
		t.Errorf("%d moves are planned again", len(again))
	}
}

func TestWhatRebalancingLeavesAlone(t *testing.T) {
	t.Parallel()
	a := placement.Type{Name: "A"}
	for name, c := range map[string]struct {
		of      placement.Type // what node 1 has 100 of
		second  placement.Member
		status  placement.Status // of node 2
		first   placement.Status
		settled driver.Settings
	}{
		"switched off":    {of: a, second: placement.Member{Types: []placement.Type{a}}, settled: driver.Settings{NoRebalance: true}},
		"another type":    {of: a, second: placement.Member{Types: []placement.Type{{Name: "B"}}}},
		"hashed":          {of: placement.Type{Name: "A", Strategy: mallee.Hashed}, second: placement.Member{Types: []placement.Type{{Name: "A", Strategy: mallee.Hashed}}}},
		"local":           {of: a, second: placement.Member{Types: []placement.Type{{Name: "A", Strategy: mallee.PreferLocal}}}},
		"no label":        {of: a, second: placement.Member{Types: []placement.Type{{Name: "A", Labels: map[string]string{"disk": "fast"}}}}},
		"foreign":         {of: a, second: placement.Member{Types: []placement.Type{a}, Foreign: true}},
		"cordoned":        {of: a, second: placement.Member{Types: []placement.Type{a}}, status: placement.Status{Cordoned: true}},
		"owner cordoned":  {of: a, second: placement.Member{Types: []placement.Type{a}}, first: placement.Status{Cordoned: true}},
		"busier":          {of: a, second: placement.Member{Types: []placement.Type{a}}, status: placement.Status{Load: 100}},
		"settles long":    {of: a, second: placement.Member{Types: []placement.Type{a}}, settled: driver.Settings{Settle: 3 * time.Hour}},
		"heavy and alone": {of: placement.Type{Name: "A", Weight: 100}, second: placement.Member{Types: []placement.Type{{Name: "A", Weight: 100}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.d.SetSettings(c.settled)
			f.join(1, nil, c.of)
			n := 100
			if c.of.Weight > 1 {
				n = 1
			}
			f.place("A", n)
			c.second.ID, c.second.Since = 2, f.now
			f.d.Join(c.second)
			f.d.Renew(1, c.first)
			f.d.Renew(2, c.status)
			f.pass(time.Hour)
			if moves := f.d.Plan(10); len(moves) != 0 {
				t.Errorf("%v", moves)
			}
		})
	}
}

// Whatever members there are, moves respect what hosts demand and what was
// asked for, every plan makes weights more equal, and it comes to an end.
func TestRebalancingConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(t)
		labels := []map[string]string{nil, {"disk": "fast"}}
		types := []placement.Type{{Name: "A"}, {Name: "B", Weight: 3, Labels: labels[1]}, {Name: "C", Weight: 10}}
		nodes := placement.NodeID(rapid.IntRange(1, 6).Draw(t, "nodes"))
		join := func(id placement.NodeID, label string) {
			hosts := rapid.SliceOfNDistinct(rapid.SampledFrom(types), 1, 3, func(t placement.Type) string { return t.Name }).Draw(t, label)
			f.join(id, rapid.SampledFrom(labels).Draw(t, "labels"), hosts...)
		}
		f.join(1, labels[1], types...) // so that all can be placed
		for id := placement.NodeID(2); id <= nodes; id++ {
			join(id, "types")
		}
		for _, actorType := range types {
			f.place(actorType.Name, rapid.IntRange(0, 100).Draw(t, actorType.Name))
		}
		for id := nodes + 1; id <= nodes+2; id++ {
			join(id, "types of late ones")
		}
		f.pass(time.Hour)
		limit := rapid.IntRange(1, 40).Draw(t, "limit")
		for spread, left := f.spread(), 1000; ; left-- {
			moves := f.d.Plan(limit)
			if len(moves) == 0 {
				break
			}
			if left == 0 {
				t.Fatal("it has no end")
			}
			if len(moves) > limit {
				t.Fatalf("%d moves, %d were asked for", len(moves), limit)
			}
			for _, m := range moves {
				to := f.node(m.To).Member
				of, hosts := to.Hosts(m.ID.Type)
				if !hosts || of.Labels != nil && to.Labels == nil {
					t.Fatalf("%+v to a node that cannot have it", m)
				}
			}
			f.move(moves)
			if now := f.spread(); now >= spread {
				t.Fatalf("weights were as far apart as %d and are as far as %d", spread, now)
			} else {
				spread = now
			}
			if rapid.Bool().Draw(t, "rest") {
				f.pass(time.Hour)
			}
		}
	})
}

// spread is the sum of the squares of members' weights: of one sum of weights,
// the least where they are equal.
func (f *fleet) spread() (sum int) {
	for _, n := range f.d.Nodes() {
		sum += n.Load * n.Load
	}
	return sum
}
