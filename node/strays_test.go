package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// slow is a placement driver that takes its time.
type slow struct {
	placement.Driver
	takes time.Duration
}

func (s slow) Locate(ctx context.Context, from placement.NodeID, id mallee.ID) (placement.Grant, error) {
	time.Sleep(s.takes)
	return s.Driver.Locate(ctx, from, id)
}

// tallied counts its calls.
type tallied struct{ calls *atomic.Int64 }

func (c tallied) Echo(context.Context, string) (string, error) {
	c.calls.Add(1)
	return "", nil
}

// A call whose caller has stopped waiting before it is known where the actor
// lives does not run.
func TestStraysKeepTheirDeadline(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]int64{time.Second: 0, 3 * time.Second: 1} {
		t.Run(timeout.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const other placement.NodeID = 99
				var calls atomic.Int64
				echo := mallee.Interface{Name: "Echo", Methods: []mallee.Method{{Name: "Echo", New: func() mallee.Call { return &echoCall{} }}}}
				typ := mallee.NewType(echo, func(*mallee.Self) any { return tallied{&calls} })
				network := transport.NewMemory()
				n := join(t, node.Config{Types: []mallee.Type{typ}, Placement: slow{placement.Memory(time.Minute), 2 * time.Second}, Network: network, Store: storage.Memory()})
				network.Attach(other, peer{})
				request := &transport.Message{Kind: transport.Request, Call: 1, Actor: mallee.ID{Type: "Echo", Key: "a"}, Interface: "Echo", Method: "Echo", Timeout: timeout}
				if err := network.Send(other, n.ID(), request); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
				if got := calls.Load(); got != want {
					t.Errorf("the call ran %d times, want %d", got, want)
				}
			})
		})
	}
}
