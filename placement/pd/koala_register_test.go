package pd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
)

func registerAgain(h koalaHost, t testing.TB, s *pd.Server) (status int, text string) {
	t.Helper()
	return koalaPost(t, s, "/membership/register", fmt.Sprintf(`{"server_id":%d,"address":%q}`, h.id, h.address), nil)
}

// An ID is good for one registration, whatever has become of the member and of
// what the placement driver remembers of it for a while.
func TestKoalaIDsAreUsedOnce(t *testing.T) {
	t.Parallel()
	c := config(t)
	s := start(t, c)
	h := koalaJoin(t, s, 60)
	if status, text := registerAgain(h, t, s); status != 400 || !strings.HasSuffix(text, ` exist"`) {
		t.Errorf("while it lives: %d %s", status, text)
	}
	var deleted struct{}
	koalaPost(t, s, "/membership/delete", fmt.Sprintf(`{"server_id":%d,"address":%q}`, h.id, h.address), &deleted)
	if _, err := rawEtcd(t, s.Addr()).Delete(within(t), "/mallee/mallee/known/", clientv3.WithPrefix()); err != nil { // as in five minutes
		t.Fatal(err)
	}
	stop(t, s)
	s = start(t, c)
	if status, text := registerAgain(h, t, s); status != 400 || !strings.HasSuffix(text, ` exist"`) {
		t.Errorf("after it was forgotten: %d %s", status, text)
	}
	h.id++
	if status, text := registerAgain(h, t, s); status != 400 || !strings.HasSuffix(text, ` was never issued"`) {
		t.Errorf("not issued: %d %s", status, text)
	}
	n := joinOnce(t, dial(t, s.Addr()), "a")
	h.id = int64(n.id)
	if status, text := registerAgain(h, t, s); status != 400 || !strings.HasSuffix(text, ` exist"`) {
		t.Errorf("that of a node: %d %s", status, text)
	}
}

// A registration whose answer was lost is repeated, and gets the same lease; a
// load that it brings counts from the beginning.
func TestKoalaRegistrationIsRepeated(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	c := dial(t, s.Addr())
	request := &placementpb.JoinRequest{Cluster: "mallee", TtlMs: 60_000, Load: 7, Member: &placementpb.Member{
		Id: uint64(number(t, s.Addr(), "/id/new_server_id", "id", nil)), Addr: "127.0.0.1:1", Foreign: true, SinceUnixMs: time.Now().UnixMilli(),
		Types: []*placementpb.Type{{Name: "A"}},
	}}
	first, err := c.Join(within(t), request)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Join(within(t), request)
	if err != nil || again.GetLease() != first.GetLease() || again.GetTtlMs() != first.GetTtlMs() {
		t.Errorf("%v, then %v, %v", first, again, err)
	}
	if st := leading(t, c, 1); len(st.GetNodes()) != 1 || st.GetNodes()[0].GetStatus().GetLoad() != 7 {
		t.Errorf("%v", st)
	}
	request.Member.Addr = "127.0.0.1:2"
	if _, err := c.Join(within(t), request); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "is or was that of a member") {
		t.Errorf("another host: %v", err)
	}
	request.Member.Addr = "127.0.0.1:1"
	if _, err := c.Leave(within(t), &placementpb.LeaveRequest{Node: first.GetNode(), Lease: first.GetLease()}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Join(within(t), request); err == nil {
		t.Error("a repeat after its lease has ended")
	}
}

// A keep_alive with the lease of somebody else does not renew it.
func TestKoalaRenewsItsOwnLease(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	h := koalaJoin(t, s, 60)
	etcd := rawEtcd(t, s.Addr())
	const ttl = 60
	lease, err := etcd.Grant(within(t), ttl)
	if err != nil {
		t.Fatal(err)
	}
	left := func() int64 {
		t.Helper()
		r, err := etcd.TimeToLive(within(t), lease.ID)
		if err != nil {
			t.Fatal(err)
		}
		return r.TTL
	}
	for ctx := within(t); left() >= ttl-1 && ctx.Err() == nil; {
		<-time.After(50 * time.Millisecond) // leaves the machine to others
	}
	h.lease = int64(lease.ID)
	if _, status, text := h.keepAlive(t, s); status != 400 || text != `"etcdserver: requested lease not found"` {
		t.Errorf("%d %s", status, text)
	}
	if left() >= ttl-1 {
		t.Error("the lease was renewed")
	}
}
