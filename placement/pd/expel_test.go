package pd_test

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// A node that renews its lease and never reports to a new leader does not keep
// it from placing actors for ever: it is told that its lease is lost, and only
// when the lease has ended is what it held free.
func TestNodeThatNeverReports(t *testing.T) {
	t.Parallel()
	server := start(t, config(t))
	c := dial(t, server.Addr())
	clients := map[string]client{"": c}
	leading(t, c, 1)
	a, b := join(t, c, "a"), joinOnce(t, c, "b")
	a.begin(clients)
	b.begin(clients)
	var lost string // an actor that b has
	for i := 0; lost == ""; i++ {
		if g := b.locate(fmt.Sprint(i)); g.GetNode() == b.id {
			lost = fmt.Sprint(i)
		}
	}
	refused := make(chan struct{})
	go func() { // renews, but has no way to the leader
		defer close(refused)
		for t.Context().Err() == nil {
			_, err := c.Renew(t.Context(), &placementpb.RenewRequest{Node: b.id, Lease: b.lease})
			if status.Code(err) == codes.FailedPrecondition {
				return
			}
			select {
			case <-t.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	etcd := rawEtcd(t, server.Addr())
	if _, err := etcd.Delete(within(t), "/mallee/mallee/election/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: &placementpb.Member{Name: "c", Addr: "127.0.0.1:1"}}) // finds out that nobody leads
	a.ended()
	a.begin(clients)
	a.ask(lost)
	select {
	case <-refused:
	case <-within(t).Done():
		t.Fatal("its lease is renewed for ever")
	}
	if g := a.answer(); g.GetNode() != a.id {
		t.Errorf("%v", g)
	}
}
