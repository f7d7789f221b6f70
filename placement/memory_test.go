package placement_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

const ttl = 5 * time.Second

var hosts = []placement.Type{{Name: "P", Interfaces: []string{"P"}}, {Name: "W", Stateless: true}}

func id(key string) mallee.ID { return mallee.ID{Type: "P", Key: key} }

func join(t *testing.T, d placement.Driver, name string) placement.NodeID {
	t.Helper()
	l, err := d.Join(t.Context(), placement.Member{Name: name, Types: hosts}, nil)
	if err != nil || l.TTL != ttl {
		t.Fatalf("%+v, %v", l, err)
	}
	return l.ID
}

func locate(t *testing.T, d placement.Driver, id mallee.ID) placement.Grant {
	t.Helper()
	g, err := d.Locate(t.Context(), 0, id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestOwnerStaysWhileItsLeaseLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := placement.Memory(ttl)
		a := join(t, d, "a")
		first := locate(t, d, id("1"))
		b := join(t, d, "b")
		for range 10 { // b renews, a does not
			if err := d.Renew(t.Context(), b, placement.Status{}); err != nil {
				t.Fatal(err)
			}
			if g := locate(t, d, id("1")); g != first {
				t.Fatalf("moved to %+v while the lease of %v lasts", g, a)
			}
			time.Sleep(ttl / 11)
		}
		time.Sleep(ttl/11 + time.Millisecond)
		if err := d.Renew(t.Context(), b, placement.Status{}); err != nil {
			t.Fatal(err)
		}
		if err := d.Renew(t.Context(), a, placement.Status{}); !errors.Is(err, mallee.ErrFenced) {
			t.Errorf("a lease that is over was renewed: %v", err)
		}
		second := locate(t, d, id("1"))
		if second.Node != b || second.Epoch <= first.Epoch {
			t.Errorf("%+v after %+v", second, first)
		}
		// The old owner's release comes late: it must not take the new one's grant.
		if err := d.Release(t.Context(), id("1"), first, 0); err != nil {
			t.Fatal(err)
		}
		if g := locate(t, d, id("1")); g != second {
			t.Errorf("%+v, want %+v", g, second)
		}
	})
}

func TestReleaseLeaveAndCordon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := placement.Memory(ttl)
		a, b := join(t, d, "a"), join(t, d, "b")
		first := locate(t, d, id("1"))
		if err := d.Release(t.Context(), id("1"), first, 0); err != nil {
			t.Fatal(err)
		}
		if again := locate(t, d, id("1")); again.Epoch <= first.Epoch {
			t.Errorf("epoch %d after %d", again.Epoch, first.Epoch)
		}
		if err := d.Renew(t.Context(), a, placement.Status{Cordoned: true}); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if g := locate(t, d, id(fmt.Sprint("new", i))); g.Node != b {
				t.Fatal("a cordoned node got an actor")
			}
		}
		if err := d.Renew(t.Context(), b, placement.Status{Cordoned: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Locate(t.Context(), 0, id("other")); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
			t.Errorf("got %v", err)
		}
		if err := d.Leave(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		members, err := d.Members(t.Context())
		if err != nil || len(members) != 1 || members[0].ID != a || members[0].Name != "a" {
			t.Errorf("%+v, %v", members, err)
		}
	})
}

func TestActorsSpreadEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := placement.Memory(ttl)
		owned := make(map[placement.NodeID]int)
		for i := range 5 {
			join(t, d, fmt.Sprint(i))
		}
		for i := range 5000 {
			owned[locate(t, d, id(fmt.Sprint(i))).Node]++
		}
		for node, n := range owned {
			if n < 950 || n > 1050 {
				t.Errorf("node %v owns %d of 5000", node, n)
			}
		}
	})
}

// mover does at once what the cluster asks of it.
type mover struct {
	placement.Control
	moves chan [2]placement.NodeID
}

func (m mover) Move(_ mallee.ID, g placement.Grant, to placement.NodeID) {
	m.moves <- [2]placement.NodeID{g.Node, to}
}

func TestRebalancing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := placement.Memory(time.Hour)
		m := mover{moves: make(chan [2]placement.NodeID, 1000)}
		first, err := d.Join(t.Context(), placement.Member{Types: hosts}, m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			locate(t, d, id(fmt.Sprint(i)))
		}
		second, err := d.Join(t.Context(), placement.Member{Types: hosts}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(time.Second)
			before := len(m.moves)
			if _, err := d.Members(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(m.moves) - before; n > 100 {
				t.Errorf("%d moves at once", n)
			}
		}
		close(m.moves)
		if n := len(m.moves); n < 400 || n > 500 {
			t.Errorf("%d of 1000 actors move to a second node", n)
		}
		for move := range m.moves {
			if move != [2]placement.NodeID{first.ID, second.ID} {
				t.Fatal(move)
			}
		}
	})
}

func TestStatelessAndUnknownTypes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := placement.Memory(ttl)
		join(t, d, "a")
		if g := locate(t, d, mallee.ID{Type: "W", Key: "x"}); g.Epoch != 0 || g.Node == 0 {
			t.Errorf("a stateless actor got the grant %+v", g)
		}
		if _, err := d.Locate(t.Context(), 0, mallee.ID{Type: "X", Key: "x"}); !errors.Is(err, mallee.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}
