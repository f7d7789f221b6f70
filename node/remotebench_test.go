package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// Calls over loopback TCP, both nodes in this process.
func BenchmarkRemoteCall(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			c := &tcpCluster{placement: placement.Memory(time.Minute), store: storage.Memory(), networks: make(map[*node.Node]*transport.TCP)}
			start := func(types ...mallee.Type) *node.Node {
				log := slog.New(slog.DiscardHandler)
				network, err := transport.ListenTCP(transport.TCPConfig{Resolve: c.resolve, Log: log})
				if err != nil {
					b.Fatal(err)
				}
				n, err := node.Start(b.Context(), node.Config{Types: types, Placement: c.placement, Store: c.store, Network: network, Log: log})
				if err != nil {
					b.Fatal(err)
				}
				c.mu.Lock()
				c.networks[n] = network
				c.mu.Unlock()
				b.Cleanup(func() { _ = n.Stop(context.Background()) })
				return n
			}
			typ := mallee.NewType(mallee.Interface{Name: "Echo", Methods: []mallee.Method{
				{Name: "Echo", New: func() mallee.Call { return &echoCall{} }},
			}}, func(*mallee.Self) any { return &echo{} })
			start(typ)
			client := start()
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					id := mallee.ID{Type: "Echo", Key: fmt.Sprint(i % 16)}
					for range b.N / callers {
						call := &echoCall{}
						call.args.Msg = "12345678"
						if err := client.Invoke(context.Background(), id, call); err != nil || call.results.Result != "12345678" {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
		})
	}
}
