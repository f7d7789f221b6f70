package node_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// join starts a node that opens its network itself.
func join(t *testing.T, c node.Config) *node.Node {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	n, err := node.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, n) })
	return n
}

func TestNodesFindOneAnother(t *testing.T) {
	t.Parallel()
	cluster, store := placement.Memory(time.Minute), storage.Memory()
	host := join(t, node.Config{Name: "host", Types: game.Types(), Labels: map[string]string{"zone": "a"}, Placement: cluster, Store: store, Cluster: "one"})
	client := join(t, node.Config{Name: "client", Placement: cluster, Store: store, Cluster: "one", Advertise: "localhost"})
	if total, err := game.PlayerOf(client, "ann").Give(t.Context(), "sword", 1); err != nil || total != 1 {
		t.Errorf("%d, %v", total, err)
	}
	members, err := cluster.Members(t.Context())
	if err != nil || len(members) != 2 {
		t.Fatalf("%v, %v", members, err)
	}
	if m := members[0]; m.ID != host.ID() || m.Labels["zone"] != "a" || !strings.HasPrefix(m.Addr, "127.0.0.1:") {
		t.Errorf("the host is %+v", m)
	}
	if m := members[1]; !strings.HasPrefix(m.Addr, "localhost:") {
		t.Errorf("the client advertises %s", m.Addr)
	}
	stranger := join(t, node.Config{Name: "stranger", Placement: cluster, Store: store, Cluster: "another"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := game.PlayerOf(stranger, "ann").Give(ctx, "sword", 1); !errors.Is(err, mallee.ErrTimeout) || !mallee.SafeToRetry(err) {
		t.Errorf("a node of another cluster: %v", err)
	}
}

func TestListenAddressThatNobodyCanDial(t *testing.T) {
	t.Parallel()
	cluster := placement.Memory(time.Minute)
	_, err := node.Start(t.Context(), node.Config{Placement: cluster, Listen: "0.0.0.0:0"})
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "set Advertise") {
		t.Errorf("got %v", err)
	}
	if members, _ := cluster.Members(t.Context()); len(members) > 0 {
		t.Errorf("members: %v", members)
	}
	join(t, node.Config{Placement: cluster, Listen: "0.0.0.0:0", Advertise: "node.example:7000"})
	if members, _ := cluster.Members(t.Context()); len(members) != 1 || members[0].Addr != "node.example:7000" {
		t.Errorf("members: %v", members)
	}
}

func TestOnlySomeTypes(t *testing.T) {
	t.Parallel()
	n := join(t, node.Config{Types: game.Types(), Only: []string{"Room"}})
	if types := n.Types(); len(types) != 1 || types[0].Name != "Room" {
		t.Errorf("types: %v", types)
	}
	if _, err := game.PlayerOf(n, "ann").Bag(t.Context()); !errors.Is(err, mallee.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	_, err := node.Start(t.Context(), node.Config{Types: game.Types(), Only: []string{"Rom"}})
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), `"Rom"`) || !strings.Contains(err.Error(), "Player") {
		t.Errorf("got %v", err)
	}
}

// controls keeps what it is given to control its members.
type controls struct {
	placement.Driver
	last     placement.Control
	statuses chan placement.Status
}

func (c *controls) Join(ctx context.Context, m placement.Member, control placement.Control) (placement.Lease, error) {
	c.last = control
	control.Move(mallee.ID{Type: "Player", Key: "ann"}, placement.Grant{Node: 1, Epoch: 1}, 2) // before it is a member
	control.Drain()
	control.Cordon(false)
	return c.Driver.Join(ctx, m, control)
}

func (c *controls) Renew(ctx context.Context, id placement.NodeID, s placement.Status) error {
	c.statuses <- s
	return c.Driver.Renew(ctx, id, s)
}

// silent takes what it gets and answers nothing.
type silent struct{ got chan struct{} }

func (s *silent) Receive(placement.NodeID, *transport.Message) { s.got <- struct{}{} }
func (s *silent) Lost(placement.NodeID)                        {}

func TestControl(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := &controls{Driver: placement.Memory(time.Hour), statuses: make(chan placement.Status, 8)}
		network := transport.NewMemory()
		join(t, node.Config{Name: "a", Placement: cluster, Network: network})
		peer, err := cluster.Driver.Join(t.Context(), placement.Member{Types: []placement.Type{{Name: "Player"}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		handler := &silent{make(chan struct{}, 1)}
		network.Attach(peer.ID, handler)

		failed := make(chan error, 1)
		caller := join(t, node.Config{Name: "b", Placement: cluster, Network: network})
		go func() {
			_, err := game.PlayerOf(caller, "ann").Bag(t.Context())
			failed <- err
		}()
		<-handler.got
		cluster.last.Lost(peer.ID)
		if err := <-failed; !errors.Is(err, mallee.ErrUnavailable) || mallee.SafeToRetry(err) {
			t.Errorf("a call that waits for a lost node: %v", err)
		}

		for len(cluster.statuses) > 0 { // of Drain
			<-cluster.statuses
		}
		for _, on := range []bool{true, false} {
			cluster.last.Cordon(on)
			if s := <-cluster.statuses; s.Cordoned != on {
				t.Errorf("Cordon(%v): %+v", on, s)
			}
		}
	})
}
