package node_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// tcpCluster is a cluster whose nodes talk over loopback.
type tcpCluster struct {
	placement placement.Driver
	store     storage.Store

	mu       sync.Mutex
	networks map[*node.Node]*transport.TCP
}

func (c *tcpCluster) resolve(_ context.Context, id placement.NodeID) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, network := range c.networks {
		if n.ID() == id {
			return network.Addr(), nil
		}
	}
	return "", mallee.ErrUnavailable.Errorf("node %s is not known", id)
}

func (c *tcpCluster) add(t testing.TB, name string, types []mallee.Type) *node.Node {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	network, err := transport.ListenTCP(transport.TCPConfig{Resolve: c.resolve, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), node.Config{
		Name: name, Types: types, Placement: c.placement, Store: c.store, Network: network, Log: log,
	})
	if err != nil {
		network.Detach(0)
		t.Fatal(err)
	}
	c.mu.Lock()
	c.networks[n] = network
	c.mu.Unlock()
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	return n
}

// overTCP starts a client and n nodes that host the types.
func overTCP(t *testing.T, n int, ttl time.Duration, types ...mallee.Type) (client *node.Node, hosts []*node.Node, c *tcpCluster) {
	t.Helper()
	c = &tcpCluster{placement: placement.Memory(ttl), store: storage.Memory(), networks: make(map[*node.Node]*transport.TCP)}
	for range n {
		hosts = append(hosts, c.add(t, "host", types))
	}
	return c.add(t, "client", nil), hosts, c
}

func TestCallsOverTCP(t *testing.T) {
	t.Parallel()
	client, hosts, _ := overTCP(t, 2, time.Minute, game.Types()...)
	var wg sync.WaitGroup
	for _, name := range []string{"ann", "bob", "cem", "dee", "eva", "fay", "gus", "hal"} {
		for _, from := range []*node.Node{client, hosts[0], hosts[1]} {
			wg.Go(func() {
				for range 20 {
					if _, err := game.PlayerOf(from, name).Give(t.Context(), "coin", 1); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, name := range []string{"ann", "hal"} {
		if total, err := game.PlayerOf(client, name).Give(t.Context(), "coin", 1); err != nil || total != 61 {
			t.Errorf("%s has %d, %v", name, total, err)
		}
	}
	if _, err := game.PlayerOf(client, "ann").Give(t.Context(), "coin", -1); err == nil || mallee.SafeToRetry(err) {
		t.Errorf("an error of the actor: %v", err)
	}
	if hosts[0].Stats().Activations == 0 || hosts[1].Stats().Activations == 0 {
		t.Error("all actors are on one node")
	}
}

// watcher waits in its method until the call ends.
type watcher struct{ begun, ended chan struct{} }

func (w *watcher) Echo(ctx context.Context, _ string) (string, error) {
	w.begun <- struct{}{}
	<-ctx.Done()
	w.ended <- struct{}{}
	return "", ctx.Err()
}

func watchers() (*watcher, mallee.Type) {
	w := &watcher{make(chan struct{}, 8), make(chan struct{}, 8)}
	return w, mallee.NewType(mallee.Interface{Name: "Echo", Methods: []mallee.Method{
		{Name: "Echo", New: func() mallee.Call { return &echoCall{} }},
	}}, func(*mallee.Self) any { return w })
}

func TestCancellationOverTCP(t *testing.T) {
	t.Parallel()
	w, typ := watchers()
	client, _, _ := overTCP(t, 1, time.Minute, typ)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- client.Invoke(ctx, mallee.ID{Type: "Echo", Key: "x"}, &echoCall{}) }()
	<-w.begun
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-w.ended
}

// A node that dies fails the calls it has, and its actors are placed anew.
func TestNodeThatIsKilledOverTCP(t *testing.T) {
	t.Parallel()
	w, typ := watchers()
	client, hosts, c := overTCP(t, 1, time.Second, typ)
	done := make(chan error, 1)
	go func() { done <- client.Invoke(t.Context(), mallee.ID{Type: "Echo", Key: "x"}, &echoCall{}) }()
	<-w.begun
	hosts[0].Abort()
	<-w.ended
	if err := <-done; !errors.Is(err, mallee.ErrUnavailable) || mallee.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
	c.add(t, "another", []mallee.Type{mallee.NewType(typ.Interfaces[0], func(*mallee.Self) any { return &echo{} })})
	call := &echoCall{}
	call.args.Msg = "again"
	if err := client.Invoke(t.Context(), mallee.ID{Type: "Echo", Key: "x"}, call); err != nil || call.results.Result != "again" {
		t.Errorf("on another node: %q, %v", call.results.Result, err)
	}
}

// A rolling restart loses no call.
func TestNodeThatStopsOverTCP(t *testing.T) {
	t.Parallel()
	client, hosts, c := overTCP(t, 2, time.Minute, game.Types()...)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	progress := make(chan struct{}, 1)
	for _, name := range []string{"ann", "bob", "cem", "dee"} {
		wg.Go(func() {
			for want := 1; ctx.Err() == nil; want++ {
				got, err := game.PlayerOf(client, name).Give(t.Context(), "coin", 1)
				if err != nil || got != want {
					t.Errorf("%s has %d instead of %d: %v", name, got, want, err)
					stop()
					return
				}
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	calls := func() {
		for range 200 {
			select {
			case <-progress:
			case <-ctx.Done():
			}
		}
	}
	for _, n := range hosts {
		calls()
		c.add(t, "new", game.Types())
		if err := n.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	calls()
	stop()
	wg.Wait()
}
