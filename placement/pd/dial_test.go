package pd_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// member joins with the client that nodes use, and renews.
func member(t testing.TB, addrs []string, name string) (placement.Driver, placement.NodeID) {
	t.Helper()
	d := placement.DialWith(placement.DialConfig{Addrs: addrs, Log: slog.New(slog.DiscardHandler)})
	lease, err := d.Join(within(t), placement.Member{Name: name, Addr: "127.0.0.1:1", Types: []placement.Type{{Name: "A"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for ctx.Err() == nil {
			_ = d.Renew(ctx, lease.ID, placement.Status{})
			select {
			case <-ctx.Done():
			case <-time.After(lease.TTL / 5):
			}
		}
	}()
	return d, lease.ID
}

// The client of nodes and the placement driver, through a change of the leader.
func TestDial(t *testing.T) {
	t.Parallel()
	servers := startAll(t, trio(t))
	addrs := []string{servers[0].Addr(), servers[1].Addr(), servers[2].Addr()}
	first := leaderOf(t, leading(t, dial(t, addrs[0]), 1), servers)
	a, aID := member(t, addrs, "a")
	b, bID := member(t, addrs, "b")
	grants := make(map[string]placement.Grant)
	for i := range 100 {
		key := fmt.Sprint(i)
		g, err := a.Locate(within(t), aID, mallee.ID{Type: "A", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		grants[key] = g
		if g.Node == bID { // the owner takes it by asking itself
			if own, err := b.Locate(within(t), bID, mallee.ID{Type: "A", Key: key}); err != nil || own != g {
				t.Fatalf("%v, %v, want %v", own, err, g)
			}
		}
	}
	stop(t, servers[first])
	for key, want := range grants {
		g, err := a.Locate(within(t), aID, mallee.ID{Type: "A", Key: key})
		if err != nil || g != want {
			t.Errorf("%s: %v, %v, want %v", key, g, err, want)
		}
	}
	if g, err := b.Locate(within(t), bID, mallee.ID{Type: "A", Key: "new"}); err != nil || g.Epoch == 0 {
		t.Errorf("%v, %v", g, err)
	}
}

// BenchmarkColdLocate places actors by 64 callers of one node.
func BenchmarkColdLocate(b *testing.B) {
	s := start(b, config(b))
	d, id := member(b, strings.Split(s.Addr(), ","), "a")
	var next atomic.Int64
	var callers sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range 64 {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if _, err := d.Locate(context.Background(), id, mallee.ID{Type: "A", Key: fmt.Sprint(i)}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "locates/s")
}
