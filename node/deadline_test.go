package node_test

import (
	"context"
	"errors"
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

// mute is a placement driver that answers no question after the join, as one
// that is paused.
type mute struct{ placement.Driver }

func (mute) Locate(ctx context.Context, _ placement.NodeID, _ mallee.ID) (placement.Grant, error) {
	<-ctx.Done()
	return placement.Grant{}, mallee.ErrUnavailable.Errorf("no answer in time").BeforeRun()
}

func (mute) Members(ctx context.Context) ([]placement.Member, error) {
	<-ctx.Done()
	return nil, mallee.ErrUnavailable.Errorf("no answer in time").BeforeRun()
}

// A context without a deadline gets the call timeout of the node while the call
// is being routed too.
func TestTheCallTimeoutHoldsWhileTheWayIsUnknown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 2 * time.Second
		d := mute{placement.Memory(time.Hour)}
		for name, types := range map[string][]mallee.Type{"host": game.Types(), "client": nil} {
			n := join(t, node.Config{Name: name, Types: types, Placement: d, Network: transport.NewMemory(), Store: storage.Memory(), CallTimeout: timeout})
			begun := time.Now()
			_, err := game.PlayerOf(n, "ann").Bag(context.Background())
			if !mallee.SafeToRetry(err) || errors.Is(err, mallee.ErrCanceled) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(begun); took != timeout {
				t.Errorf("%s: the call took %v", name, took)
			}
		}
	})
}
