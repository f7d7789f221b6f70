package clustertest_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/pd"
)

// addr is where the other nodes reach a node.
func (c *cluster) addr(name string) string {
	c.t.Helper()
	s := c.status(name, func(*placementpb.StatusResponse) bool { return true })
	for _, n := range s.GetNodes() {
		if n.GetMember().GetName() == name {
			return n.GetMember().GetAddr()
		}
	}
	c.t.Fatalf("%s is no member", name)
	return ""
}

// throw sends bytes and waits, for a while, until the other end hangs up.
func throw(t *testing.T, addr string, garbage []byte) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(garbage) // it may be cut at once
	_, _ = io.Copy(io.Discard, conn)
}

// While calls go on, all ports get garbage: nothing is lost.
func TestGarbageOnAllPorts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.host("node0")
	c.host("node1")
	live := call(t, c.client())
	hello := "KOLA\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x40\x06mallee\x07\x01\x00"
	oversized := binary.LittleEndian.AppendUint32([]byte("KOLA\xff\xff\xff\xff"), 1<<31)
	noise := make([]byte, 1<<16)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for _, addr := range []string{c.addr("node0"), c.addr("node1"), c.configs[0].Listen, c.configs[0].PeerListen} {
		for _, garbage := range [][]byte{
			[]byte("KOLA"), []byte(hello), []byte(hello[:15]), append([]byte(hello), noise...), oversized, noise,
			[]byte("GET / HTTP/1.1\r\n\r\n"), []byte(preface), append([]byte(preface), noise...), []byte("\x16\x03\x01\x02\x00\x01\x00"),
		} {
			live.ended.Go(func() { throw(t, addr, garbage) })
		}
	}
	for _, path := range []string{"/", "/pd/api/v1/membership/register", "/pd/api/v1/placement/find_position", "/mallee.placement.v1.Placement/Join"} {
		r, err := http.Post("http://"+c.configs[0].Listen+path, "application/json", strings.NewReader(strings.Repeat("[", 1<<20)))
		if err == nil { // or the process hangs up
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK && r.Header.Get("Grpc-Status") == "0" {
				t.Errorf("%s takes garbage", path)
			}
		}
	}
	live.goOn()
	live.end()
	if n := c.log.has("lease lost"); n != 0 {
		t.Errorf("%d nodes have lost their leases", n)
	}
}

// raw is a message as bytes.
type raw []byte

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) {
	if r, ok := v.(*raw); ok {
		return *r, nil
	}
	return nil, errors.New("not raw")
}

func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*raw) = append(raw(nil), b...)
	return nil
}

// What a later program adds to a request is not looked at; what is no message
// is refused.
func TestRequestsOfOtherPrograms(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	conn := dial(t, c.configs[0].Listen, nil)
	member := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "later")
	member = protowire.AppendString(protowire.AppendTag(member, 3, protowire.BytesType), "127.0.0.1:1")
	member = protowire.AppendString(protowire.AppendTag(member, 99, protowire.BytesType), "of a later program")
	join := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "mallee")
	join = protowire.AppendBytes(protowire.AppendTag(join, 2, protowire.BytesType), member)
	join = protowire.AppendVarint(protowire.AppendTag(join, 77, protowire.VarintType), 5)
	ask := func(b raw) error {
		var answer raw
		return conn.Invoke(within(t), placementpb.Placement_Join_FullMethodName, &b, &answer, grpc.ForceCodec(rawCodec{}))
	}
	if err := ask(join); err != nil {
		t.Errorf("with unknown fields: %v", err)
	}
	if err := ask(join[:len(join)-1]); status.Code(err) != codes.Internal && status.Code(err) != codes.InvalidArgument {
		t.Errorf("cut off: %v", err)
	}
	if name := c.addr("later"); name != "127.0.0.1:1" {
		t.Error(name)
	}
}

func TestClustersThatAreNotOurs(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	began := c.host("node0")
	_, err := c.tryNode("stranger", node.Config{Cluster: "green"})
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), `cluster "mallee", not of "green"`) {
		t.Errorf("a node of another cluster: %v", err)
	}
	// A node of another cluster finds ours at the address of one of its own.
	green := newCluster(t, 1, func(config *pd.Config) { config.Cluster = "green" })
	impostor := placement.DialWith(placement.DialConfig{Addrs: green.addrs(), Cluster: "green", LeaseTTL: patience})
	if _, err := impostor.Join(within(t), placement.Member{Name: "impostor", Addr: c.addr("node0"), Types: []placement.Type{{Name: "Counter", Interfaces: []string{"Counter"}}}}, nil); err != nil {
		t.Fatal(err)
	}
	n := green.node("caller", node.Config{Cluster: "green", CallTimeout: time.Second})
	_, err = crowd.CounterOf(n, "x").Add(t.Context(), 1, 1)
	if !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), `cluster "mallee"`) {
		t.Errorf("a call into another cluster: %v", err)
	}
	if s := began.Stats(); s.Served != 0 {
		t.Errorf("%d calls came from another cluster", s.Served)
	}
}

// The data of a newer program is refused also while the cluster runs.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: c.addrs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = etcd.Close() }()
	live := call(t, func() *node.Node { c.host("node0"); return c.client() }())
	if _, err := etcd.Put(within(t), "/mallee/mallee/format", "2"); err != nil {
		t.Fatal(err)
	}
	live.goOn()
	live.end()
	c.stopAll()
	s, err := pd.Start(within(t), c.configs[0])
	if err == nil || !strings.Contains(err.Error(), "use the program that has written it") {
		c.servers[0] = s
		t.Errorf("%v", err)
	}
}
