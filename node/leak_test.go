package node_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// closedCluster refuses members.
type closedCluster struct{ placement.Driver }

func (*closedCluster) Join(context.Context, placement.Member, placement.Control) (placement.Lease, error) {
	return placement.Lease{}, mallee.ErrInvalid.Errorf("closed")
}

// A node that has not started, or has ended as in a crash, leaves nothing that
// goes on.
func TestNothingIsLeftOfANode(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, node.Config){
		"not started": func(t *testing.T, c node.Config) {
			c.Placement = &closedCluster{c.Placement}
			if _, err := node.Start(t.Context(), c); err == nil {
				t.Error("the node has started")
			}
		},
		"aborted": func(t *testing.T, c node.Config) {
			n, err := node.Start(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			n.Abort()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collected := make(chan struct{})
			func() {
				network := transport.NewMemory() // only the node has it
				runtime.AddCleanup(network, func(c chan struct{}) { close(c) }, collected)
				run(t, node.Config{Types: game.Types(), Placement: placement.Memory(time.Minute), Network: network, Store: storage.Memory(), Log: slog.New(slog.DiscardHandler)})
			}()
			for end := time.Now().Add(20 * time.Second); ; {
				runtime.GC()
				select {
				case <-collected:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if time.Now().After(end) {
					t.Fatal("something of the node goes on")
				}
			}
		})
	}
}
