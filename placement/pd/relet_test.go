package pd_test

import (
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// moveLeader gives etcd another leader.
func moveLeader(t testing.TB, servers []*pd.Server) {
	t.Helper()
	var leader *clientv3.Client
	var other uint64
	for _, s := range servers {
		c := rawEtcd(t, s.Addr())
		status, err := c.Status(within(t), s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if id := status.Header.MemberId; id == status.Leader {
			leader = c
		} else {
			other = id
		}
	}
	if leader == nil {
		t.Fatal("etcd has no leader")
	}
	if _, err := leader.MoveLeader(within(t), other); err != nil {
		t.Fatal(err)
	}
}

// A leader of etcd that was stopped and followed revokes leases that were renewed
// meanwhile: that of a member that has renewed since then is none of them.
func TestLeaseIsRevokedByAFormerLeaderOfEtcd(t *testing.T) {
	t.Parallel()
	all := trio(t)
	for i := range all {
		all[i].LeaseTTL = time.Hour
	}
	servers := startAll(t, all)
	c, raw := dial(t, servers[0].Addr()), rawEtcd(t, servers[0].Addr())
	n := joinOnce(t, c, "a")
	renewed := func() clientv3.LeaseID {
		t.Helper()
		if _, err := c.Renew(within(t), &placementpb.RenewRequest{Node: n.id, Lease: n.lease}); err != nil {
			t.Fatal(err)
		}
		got, err := raw.Get(within(t), "/mallee/mallee/members/", clientv3.WithPrefix())
		if err != nil || len(got.Kvs) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		return clientv3.LeaseID(got.Kvs[0].Lease)
	}
	before := renewed()
	if again := renewed(); again != before {
		t.Errorf("the lease has changed from %x to %x without need", before, again)
	}
	moveLeader(t, servers)
	after := renewed()
	for _, old := range []clientv3.LeaseID{clientv3.LeaseID(n.lease), before} {
		if _, err := raw.Revoke(within(t), old); err != nil {
			t.Fatal(err)
		}
	}
	if last := renewed(); last != after {
		t.Errorf("the lease has changed from %x to %x without need", after, last)
	}
	clients := make(map[string]client)
	for _, s := range servers {
		clients[s.Addr()] = dial(t, s.Addr())
	}
	n.begin(clients)
	n.locate("x")
	if _, err := c.Leave(within(t), &placementpb.LeaveRequest{Node: n.id, Lease: n.lease}); err != nil {
		t.Fatal(err)
	}
	n.ended()
}

// A leader that was killed and is started again does not wait for the end of the
// lease under which it led.
func TestLeaderIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	raw := rawEtcd(t, etcd.Endpoints()[0])
	lease, err := raw.Grant(within(t), int64(time.Hour/time.Second))
	if err != nil {
		t.Fatal(err)
	}
	addr := etcdtest.FreeAddress(t).Host
	before := fmt.Sprintf(`{"format":1,"name":"a","addr":%q}`, addr)
	if _, err := raw.Put(within(t), "/mallee/mallee/election/1", before, clientv3.WithLease(lease.ID)); err != nil {
		t.Fatal(err)
	}
	start(t, pd.Config{Name: "a", Listen: addr, Etcd: etcd.Endpoints()})
	leading(t, dial(t, addr), 1)
}
