package pd_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

func TestOneProcess(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, config(t)).Addr())
	all := map[string]client{"": c}
	a, b := join(t, c, "a"), joinOnce(t, c, "b")
	if a.id != 1 || b.id != 2 || a.term != 1 {
		t.Errorf("nodes %d and %d in term %d", a.id, b.id, a.term)
	}
	a.begin(all)
	b.begin(all)
	x := a.locate("x")
	if again := b.locate("x"); x.GetNode() == 0 || again.GetNode() != x.GetNode() || again.GetEpoch() != x.GetEpoch() {
		t.Errorf("%v, then %v", x, again)
	}
	owner := map[uint64]*node{a.id: a, b.id: b}[x.GetNode()]
	grant := &placementpb.Grant{Actor: actor("x"), Epoch: x.GetEpoch()}
	owner.send(&placementpb.NodeBatch{Releases: []*placementpb.Release{{Grant: grant}}})
	owner.until("the release", func(b *placementpb.LeaderBatch) bool { return len(b.GetReleased()) == 1 })
	if next := owner.locate("x"); next.GetEpoch() <= x.GetEpoch() {
		t.Errorf("epoch %d after %d", next.GetEpoch(), x.GetEpoch())
	}
	// b does not renew: its lease ends, its session too, and a hears of it.
	a.until("the loss of b", func(batch *placementpb.LeaderBatch) bool { return slices.Contains(batch.GetLost(), b.id) })
	b.ended()
	for i := range 10 {
		if g := a.locate(fmt.Sprint(i)); g.GetNode() != a.id {
			t.Errorf("%v, and node %d is alone", g, a.id)
		}
	}
	members, err := c.Members(within(t), &placementpb.MembersRequest{})
	if err != nil || len(members.GetMembers()) != 1 || members.GetMembers()[0].GetName() != "a" {
		t.Errorf("%v, %v", members, err)
	}
	if _, err := c.Renew(within(t), &placementpb.RenewRequest{Node: b.id, Lease: b.lease}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a lease that has ended: %v", err)
	}
	if _, err := c.Renew(within(t), &placementpb.RenewRequest{Node: a.id, Lease: b.lease}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("the lease of another node: %v", err)
	}
}
