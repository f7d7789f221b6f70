package driver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

func (f *fleet) locate(from placement.NodeID, id mallee.ID) placement.NodeID {
	f.t.Helper()
	a, done := f.d.Locate(1, driver.Question{ID: id, From: from})
	if !done || a.Err != nil {
		f.t.Fatalf("%+v, %t", a, done)
	}
	return a.Grant.Node
}

func TestBalancedByWeightAndMeasuredLoad(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for id := placement.NodeID(1); id <= 3; id++ {
		f.join(id, nil, placement.Type{Name: "A"}, placement.Type{Name: "H", Weight: 50})
	}
	f.d.Renew(3, placement.Status{Load: 600})
	f.place("H", 4)
	f.place("A", 1000)
	// 1800 in all: 200 of heavy actors, 1000 of light ones, 600 measured.
	for id := placement.NodeID(1); id <= 3; id++ {
		if n := f.node(id); n.Load < 580 || n.Load > 620 {
			t.Errorf("node %v has the load %d with %d actors", id, n.Load, n.Actors)
		}
	}
}

// A node that has just joined gets what no other can have, and its own.
func TestYoungNodes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	local := placement.Type{Name: "L", Strategy: mallee.PreferLocal}
	f.join(1, nil, placement.Type{Name: "A"}, local)
	f.place("A", 100) // it is young and alone
	f.pass(driver.DefaultSettle)
	f.join(2, nil, placement.Type{Name: "A"}, placement.Type{Name: "B"}, local)
	for i := range 50 {
		if n := f.locate(2, mallee.ID{Type: "A", Key: fmt.Sprint("x", i)}); n != 1 {
			t.Fatal("a young node got an actor")
		}
	}
	if n := f.locate(1, mallee.ID{Type: "B", Key: "1"}); n != 2 {
		t.Error("nobody else hosts it")
	}
	if n := f.locate(2, mallee.ID{Type: "L", Key: "1"}); n != 2 {
		t.Error("it asked for it itself")
	}
	if n, err := f.d.Successor(2, mallee.ID{Type: "L", Key: "1"}); n != 1 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	f.pass(driver.DefaultSettle)
	if n := f.locate(1, mallee.ID{Type: "A", Key: "y"}); n != 2 {
		t.Error("it has settled and is idle")
	}
}

// The clock of the leader through which a node joined can have been ahead.
func TestJoinedInTheFuture(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.join(1, nil, placement.Type{Name: "A"})
	f.place("A", 10)
	f.d.Join(placement.Member{ID: 2, Types: []placement.Type{{Name: "A"}}, Since: f.now.Add(time.Hour)})
	f.pass(time.Second)
	f.pass(driver.DefaultSettle)
	if n := f.locate(0, mallee.ID{Type: "A", Key: "x"}); n != 2 {
		t.Error("it has to wait an hour")
	}
	f.d.Advance(time.Unix(0, 0)) // its clock does not go back
	if n := f.locate(0, mallee.ID{Type: "A", Key: "y"}); n != 2 {
		t.Error("it is young again")
	}
}

func TestPreferLocal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	local := placement.Type{Name: "L", Strategy: mallee.PreferLocal}
	for id := placement.NodeID(1); id <= 3; id++ {
		f.join(id, nil, local)
	}
	f.join(4, nil, placement.Type{Name: "A"})
	for i := range 30 {
		if n := f.locate(2, mallee.ID{Type: "L", Key: fmt.Sprint(i)}); n != 2 {
			t.Fatalf("node 2 asked, and %v got it", n)
		}
	}
	f.d.Renew(2, placement.Status{Cordoned: true})
	for i := range 10 {
		for _, from := range []placement.NodeID{2, 4, 9} {
			if n := f.locate(from, mallee.ID{Type: "L", Key: fmt.Sprint("x", from, i)}); n != 1 && n != 3 {
				t.Fatalf("node %v asked, and %v got it", from, n)
			}
		}
	}
}

// An ID keeps its node when another one joins, mostly; and all get some.
func TestHashed(t *testing.T) {
	t.Parallel()
	four, five := newFleet(t), newFleet(t)
	for id := placement.NodeID(1); id <= 5; id++ {
		of := placement.Type{Name: "A", Strategy: mallee.Hashed}
		if five.join(id, nil, of); id <= 4 {
			four.join(id, nil, of)
		}
	}
	moved, owns := 0, make(map[placement.NodeID]int)
	const ids = 10_000
	for i := range ids {
		id := mallee.ID{Type: "A", Key: fmt.Sprint(i)}
		before, after := four.locate(0, id), five.locate(0, id)
		if before != after {
			moved++
			if after != 5 {
				t.Fatalf("%v moved from %v to %v, and neither is new", id, before, after)
			}
		}
		owns[after]++
	}
	if moved < ids/5-500 || moved > ids/5+500 {
		t.Errorf("%d of %d moved", moved, ids)
	}
	for n, count := range owns {
		if count < ids/5-500 || count > ids/5+500 {
			t.Errorf("node %v has %d of %d", n, count, ids)
		}
	}
}

// Koala's placement driver gives the host that it looks at first one ticket too
// many and the last one too few (P8): one of weight 1 that is last is never chosen.
func TestKoalaTickets(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	loads := []int{0, 10, 100}
	for i, load := range loads {
		id := placement.NodeID(i + 1)
		f.d.Join(placement.Member{ID: id, Types: []placement.Type{{Name: "A"}}, Since: f.now, Foreign: true})
		f.d.Renew(id, placement.Status{Load: load})
	}
	f.pass(5 * time.Second)
	const ids = 22_000
	f.place("A", ids)
	for i, tickets := range []int{110, 100, 10} { // of 220
		want := ids * tickets / 220
		if n := f.node(placement.NodeID(i + 1)); n.Actors < want*9/10 || n.Actors > want*11/10 || n.Load != loads[i] {
			t.Errorf("the host of load %d has %d actors, expected about %d; load %d", loads[i], n.Actors, want, n.Load)
		}
	}
}

// Koala's hosts get nothing in their first 5 s and while their load is negative,
// whoever else there is or is not.
func TestKoalaHostsThatGetNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := mallee.ID{Type: "A", Key: "1"}
	f.d.Join(placement.Member{ID: 1, Name: "py", Types: []placement.Type{{Name: "A"}}, Since: f.now, Foreign: true})
	refused := func(why string) {
		t.Helper()
		a, done := f.d.Locate(1, driver.Question{ID: id})
		if !done || !errors.Is(a.Err, mallee.ErrUnavailable) || !mallee.SafeToRetry(a.Err) || !strings.Contains(a.Err.Error(), why) {
			t.Errorf("%+v", a)
		}
		if c := f.d.Consider(id); len(c) != 1 || c[0].Able || !strings.Contains(c[0].Reason, why) {
			t.Errorf("%+v", c)
		}
	}
	f.pass(5*time.Second - 1)
	refused("joined less than 5s ago")
	f.pass(1)
	f.d.Renew(1, placement.Status{Load: -1})
	refused("negative load")
	f.d.Renew(1, placement.Status{Load: 1 << 62}) // nonsense does no harm
	f.d.Join(placement.Member{ID: 2, Types: []placement.Type{{Name: "A"}}, Foreign: true})
	f.d.Renew(2, placement.Status{Load: 1 << 62})
	f.locate(0, id)
	if _, err := f.d.Successor(9, id); !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("a live actor would move to a foreign host: %v", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	of := placement.Type{Name: "A", Labels: map[string]string{"disk": "fast"}}
	f.join(1, map[string]string{"disk": "slow"}, of)
	if a, _ := f.d.Locate(1, driver.Question{ID: actors[0]}); !errors.Is(a.Err, mallee.ErrUnavailable) || !strings.Contains(a.Err.Error(), "node 1 n1: lacks the label disk=fast") {
		t.Errorf("%+v", a)
	}
	f.join(2, map[string]string{"disk": "fast", "zone": "a"}, of)
	f.join(3, nil, of)
	for i := range 20 {
		if n := f.locate(1, mallee.ID{Type: "A", Key: fmt.Sprint(i)}); n != 2 {
			t.Fatalf("node %v got it", n)
		}
	}
	if n, err := f.d.Successor(2, actors[0]); err == nil {
		t.Errorf("node %v could take it over", n)
	}
	g, _ := f.d.Owner(actors[0])
	if f.d.Release(actors[0], g, 3); f.locate(1, actors[0]) != 2 {
		t.Error("it moved to a node that lacks the label")
	}
}

// A stateless actor runs where its caller is.
func TestStatelessStaysWithWhoAsks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for id := placement.NodeID(1); id <= 3; id++ {
		f.join(id, nil, placement.Type{Name: "W", Stateless: true})
	}
	for range 20 {
		if a, _ := f.d.Locate(1, driver.Question{ID: mallee.ID{Type: "W", Key: "1"}, From: 2}); a.Grant != (placement.Grant{Node: 2}) || a.New {
			t.Fatalf("%+v", a)
		}
	}
}
