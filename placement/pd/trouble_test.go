package pd_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// refused starts a process that cannot start, and checks what it says.
func refused(t testing.TB, c pd.Config, want string) {
	t.Helper()
	s, err := pd.Start(within(t), c)
	if err == nil {
		stop(t, s)
	}
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, want one line with %q", err, want)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config pd.Config
		want   string
	}{
		{pd.Config{Name: "a b"}, "use at most 64 letters"},
		{pd.Config{Cluster: "a/b"}, "use at most 64 letters"},
		{pd.Config{Listen: "localhost"}, "want host:port"},
		{pd.Config{Listen: "127.0.0.1:0"}, "choose one"},
		{pd.Config{Listen: "0.0.0.0:2379"}, "others cannot reach"},
		{pd.Config{LeaseTTL: time.Millisecond}, "not between"},
		{pd.Config{TLS: pd.TLS{Cert: "x"}}, "TLS needs"},
		{pd.Config{TLS: pd.TLS{Cert: "x", Key: "y", CA: "z"}}, "TLS: stat x"},
		{pd.Config{Dir: t.TempDir(), InitialCluster: "b=http://127.0.0.1:2380"}, "does not name this process"},
		{pd.Config{Dir: t.TempDir(), InitialCluster: "pd"}, "want name=host:port"},
	} {
		refused(t, c.config, c.want)
	}
}

func TestTwoProcessesWithOneDirectory(t *testing.T) {
	t.Parallel()
	c := config(t)
	start(t, c)
	second := config(t)
	second.Dir = c.Dir
	refused(t, second, "in use by another process")
	second.Dir, second.Listen = t.TempDir(), c.Listen
	refused(t, second, "choose other ports")
}

// rawEtcd is a client of the etcd within a process.
func rawEtcd(t testing.TB, addr string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{addr}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestDataOfANewerProgram(t *testing.T) {
	t.Parallel()
	c := config(t)
	s := start(t, c)
	if _, err := rawEtcd(t, s.Addr()).Put(within(t), "/mallee/mallee/format", "2"); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	refused(t, c, "use the program that has written it")
}

// What stands in etcd and cannot be read keeps a process from leading: it must
// not take the member for one that does not exist.
func TestDamagedMember(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	c := dial(t, s.Addr())
	leading(t, c, 1)
	etcd := rawEtcd(t, s.Addr())
	if _, err := etcd.Put(within(t), "/mallee/mallee/members/7", "{}"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Members(within(t), &placementpb.MembersRequest{})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "members/7") {
		t.Errorf("%v", err)
	}
	if _, err := etcd.Delete(within(t), "/mallee/mallee/members/7"); err != nil {
		t.Fatal(err)
	}
	leading(t, c, 2)
}

// A process that has lost its disk is told what to do, and does it.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	all := trio(t)
	servers := startAll(t, all)
	n := join(t, dial(t, servers[0].Addr()), "a")
	stop(t, servers[2])
	if err := os.RemoveAll(all[2].Dir); err != nil {
		t.Fatal(err)
	}
	refused(t, all[2], "--replace")
	all[2].Join = servers[0].Addr()
	refused(t, all[2], "has a process pd2")
	all[2].Replace = true
	again := start(t, all[2])
	members, err := dial(t, again.Addr()).Members(within(t), &placementpb.MembersRequest{})
	if err != nil || len(members.GetMembers()) != 1 || members.GetMembers()[0].GetId() != n.id {
		t.Errorf("%v, %v", members, err)
	}
	eventually(t, dial(t, again.Addr()), func(s *placementpb.StatusResponse) bool { return len(s.GetProcesses()) == 3 })
}

// One process becomes two.
func TestJoin(t *testing.T) {
	t.Parallel()
	first := start(t, config(t))
	c := config(t)
	c.Name, c.Join = "pd2", first.Addr()
	second := start(t, c)
	join(t, dial(t, second.Addr()), "a")
	stop(t, second)
	start(t, c) // it has data, and joins no more
	eventually(t, dial(t, first.Addr()), func(s *placementpb.StatusResponse) bool {
		return len(s.GetProcesses()) == 2 && s.GetProcesses()[1].GetHealthy()
	})
}

// Without a majority nothing is answered but errors that may pass; when it is
// back, all goes on.
func TestMajorityIsDown(t *testing.T) {
	t.Parallel()
	all := trio(t)
	servers := startAll(t, all)
	c := dial(t, servers[0].Addr())
	first := leading(t, c, 1)
	stop(t, servers[1])
	stop(t, servers[2])
	r, err := c.Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: &placementpb.Member{Addr: "a:1"}})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("%v, %v", r, err)
	}
	if code, text := get(t, servers[0].Addr(), "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d %s", code, text)
	}
	if code, text := get(t, servers[0].Addr(), "/healthz"); code != http.StatusOK {
		t.Errorf("healthy: %d %s", code, text)
	}
	start(t, all[1])
	leading(t, c, first.GetTerm())
	join(t, c, "a")
	for ctx := within(t); ctx.Err() == nil; {
		if code, _ := get(t, servers[0].Addr(), "/readyz"); code == http.StatusOK {
			return
		}
	}
	t.Error("never ready again")
}

func get(t testing.TB, addr, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// All processes end and come back within the leases: nodes are members still.
func TestAllDownAndBack(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.LeaseTTL = time.Minute
	s := start(t, c)
	n := joinOnce(t, dial(t, s.Addr()), "a")
	stop(t, s)
	s = start(t, c)
	again := dial(t, s.Addr())
	if _, err := again.Renew(within(t), &placementpb.RenewRequest{Node: n.id, Lease: n.lease}); err != nil {
		t.Error(err)
	}
	n.held = []*placementpb.Grant{{Actor: actor("x"), Epoch: 77}}
	n.begin(map[string]client{"": again})
	if g := n.locate("x"); g.GetNode() != n.id || g.GetEpoch() != 77 {
		t.Errorf("%v", g)
	}
	if _, err := again.Leave(within(t), &placementpb.LeaveRequest{Node: n.id, Lease: n.lease}); err != nil {
		t.Error(err)
	}
	n.ended()
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	c := dial(t, s.Addr())
	for _, garbage := range []string{"KOLA\x00\x00", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff", strings.Repeat("\x00", 1<<16)} {
		var dialer net.Dialer
		conn, err := dialer.DialContext(within(t), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, garbage) // it may be cut at once
		_ = conn.Close()
	}
	n := join(t, c, "a")
	hello := func(h *placementpb.Hello) error {
		stream, err := c.Session(within(t))
		if err == nil {
			err = stream.Send(&placementpb.NodeBatch{Hello: h})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	if err := hello(nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no hello: %v", err)
	}
	if err := hello(&placementpb.Hello{Node: n.id, Lease: n.lease + 1}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a wrong lease: %v", err)
	}
	n.begin(map[string]client{"": c})
	if g := n.locate(""); g.GetError().GetCode() != "invalid" {
		t.Errorf("no key: %v", g)
	}
	for _, m := range []*placementpb.Member{
		nil, {}, {Addr: "a:1", Id: 7}, {Addr: "a:1", Name: strings.Repeat("x", 300)}, {Addr: "a:1", Foreign: true},
		{Addr: "a:1", Types: []*placementpb.Type{{Name: "a/b"}}}, {Addr: "a:1", Types: []*placementpb.Type{{Name: "A", Strategy: 99}}},
	} {
		if _, err := c.Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: m}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v joins: %v", m, err)
		}
	}
	n.send(&placementpb.NodeBatch{Report: []*placementpb.Grant{{Actor: &placementpb.Actor{Type: "a/b"}}}})
	n.ended()
	second := joinOnce(t, c, "b")
	second.begin(map[string]client{"": c})
	second.begin(map[string]client{"": c}) // the first session ends, the second lives
	if g := second.locate("x"); g.GetEpoch() == 0 {
		t.Errorf("%v", g)
	}
}

// A node that asks and does not read is cut; others do not notice.
func TestNodeThatDoesNotRead(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, config(t)).Addr())
	deaf, well := join(t, c, "deaf"), join(t, c, "well")
	stream, err := c.Session(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&placementpb.NodeBatch{Hello: &placementpb.Hello{Node: deaf.id, Lease: deaf.lease}}); err != nil {
		t.Fatal(err)
	}
	connected := func(s *placementpb.StatusResponse) bool {
		return slices.ContainsFunc(s.GetNodes(), func(n *placementpb.NodeStatus) bool { return n.GetMember().GetId() == deaf.id && n.GetConnected() })
	}
	eventually(t, c, connected)
	questions := make([]*placementpb.Question, 10_000)
	for i := range questions {
		questions[i] = &placementpb.Question{Ticket: 1 << 60, Actor: actor("x")}
	}
	go func() {
		for err := error(nil); err == nil; { // until the stream ends
			err = stream.Send(&placementpb.NodeBatch{Questions: questions})
		}
	}()
	eventually(t, c, func(s *placementpb.StatusResponse) bool { return !connected(s) })
	well.begin(map[string]client{"": c})
	well.locate("x")
	for err = nil; err == nil; {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v", err)
	}
}

// An etcd that is there is used, and the port is one of our own.
func TestExternalEtcd(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	servers := make([]*pd.Server, 2)
	for i := range servers {
		servers[i] = start(t, pd.Config{Name: []string{"a", "b"}[i], Listen: "127.0.0.1:0", Etcd: etcd.Endpoints(), LeaseTTL: time.Second})
	}
	clients := map[string]client{servers[0].Addr(): dial(t, servers[0].Addr()), servers[1].Addr(): dial(t, servers[1].Addr())}
	first := leaderOf(t, leading(t, clients[servers[0].Addr()], 1), servers)
	n := join(t, clients[servers[1-first].Addr()], "a")
	n.begin(clients)
	n.locate("x")
	if code, text := get(t, servers[1-first].Addr(), "/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if id := number(t, servers[1-first].Addr(), "/id/new_server_id", "id", nil); id != 2 {
		t.Errorf("id %d", id)
	}
	stop(t, servers[first])
	leading(t, clients[servers[1-first].Addr()], 2)
	etcd.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := clients[servers[1-first].Addr()].Members(ctx, &placementpb.MembersRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("without etcd: %v", err)
	}
	etcd.Restart()
	leading(t, clients[servers[1-first].Addr()], 2)
}
