package cli_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// fakePD answers as a placement driver of two nodes and 2500 actors does.
type fakePD struct {
	placementpb.UnimplementedAdminServer
	mu   sync.Mutex
	left int64 // actors of node 2, which shrink with each Status once it drains
	told []placementpb.Command
}

func startFakePD(t *testing.T) (f *fakePD, addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f = &fakePD{left: 3}
	server := grpc.NewServer()
	placementpb.RegisterAdminServer(server, f)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return f, listener.Addr().String()
}

func (f *fakePD) Status(context.Context, *placementpb.StatusRequest) (*placementpb.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	draining := len(f.told) > 0
	if draining && f.left > 0 {
		f.left--
	}
	return &placementpb.StatusResponse{
		Cluster: "blue", Term: 7, Actors: 2500,
		Processes: []*placementpb.Process{
			{Name: "pd1", Addr: "10.0.0.1:2379", Healthy: true, Leader: true, Version: "v1"},
			{Name: "pd2", Addr: "10.0.0.2:2379"},
		},
		Nodes: []*placementpb.NodeStatus{
			{Member: &placementpb.Member{Id: 1, Name: "a", Addr: "10.0.0.3:7000", Types: []*placementpb.Type{{Name: "Player"}}}, Actors: 2497, Load: 2600, Reported: true, Connected: true},
			{Member: &placementpb.Member{Id: 2, Name: "b"}, Status: &placementpb.Status{Cordoned: draining}, Actors: f.left, Reported: true, Connected: true},
		},
	}, nil
}

func (f *fakePD) Actors(_ context.Context, r *placementpb.ActorsRequest) (*placementpb.ActorsResponse, error) {
	first := 0
	if after := r.GetAfter().GetKey(); after != "" {
		if _, err := fmt.Sscan(after, &first); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		first++
	}
	page := &placementpb.ActorsResponse{}
	for i := first; i < 2500 && len(page.GetActors()) < int(r.GetLimit()); i++ {
		actor := &placementpb.Actor{Type: "Player", Key: fmt.Sprintf("%04d", i)}
		page.Actors = append(page.Actors, &placementpb.Placed{Grant: &placementpb.Grant{Actor: actor, Epoch: uint64(i)}, Node: 1})
		page.More = i < 2499
	}
	return page, nil
}

func (f *fakePD) Find(_ context.Context, r *placementpb.FindRequest) (*placementpb.FindResponse, error) {
	if r.GetActor().GetType() != "Player" {
		return nil, status.Error(codes.NotFound, "no node hosts actor type "+r.GetActor().GetType())
	}
	return &placementpb.FindResponse{Why: "less loaded", Candidates: []*placementpb.Candidate{
		{Node: 1, Able: true, Load: 5}, {Node: 2, Reason: "cordoned"},
	}}, nil
}

func (f *fakePD) Tell(_ context.Context, r *placementpb.TellRequest) (*placementpb.TellResponse, error) {
	if r.GetName() == "silent" {
		s, err := status.New(codes.Unavailable, "node silent has no session").WithDetails(&placementpb.Error{Code: "unavailable"})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
	if r.GetNode() != 2 && r.GetName() != "b" {
		return nil, status.Error(codes.NotFound, "there is no node "+r.GetName())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, r.GetCommand())
	return &placementpb.TellResponse{Node: 2}, nil
}

func (f *fakePD) Settings(_ context.Context, r *placementpb.SettingsRequest) (*placementpb.SettingsResponse, error) {
	all := map[string]string{"rebalance": "true"}
	for name, value := range r.GetSet() {
		if _, known := all[name]; !known {
			return nil, status.Error(codes.InvalidArgument, "there is no setting "+name)
		}
		all[name] = value
	}
	return &placementpb.SettingsResponse{Settings: all}, nil
}

func TestClusterCommands(t *testing.T) {
	t.Parallel()
	_, addr := startFakePD(t)
	for _, test := range []struct {
		args string
		code int
		want string // in the output, or in the error
	}{
		{"status", 0, "cluster blue, term 7, ready, 2500 actors on 2 nodes"},
		{"status", 0, "pd2               10.0.0.2:2379  unreachable"},
		{"status --json", 0, `"leader":"pd1"`},
		{"nodes", 0, "1     a     10.0.0.3:7000  ready  2497    2600"},
		{"nodes --json", 0, `"types":["Player"]`},
		{"actors --limit 2", 0, "Player/0001  1     1\n"},
		{"actors --limit 0 --json", 0, `{"type":"Player","key":"2499","node":1,"epoch":2499}]`},
		{"actors find Player/x/y", 0, "Player/x/y lives nowhere"},
		{"actors find Player/x --json", 0, `{"placed":null,"why":"less loaded"`},
		{"actors find Robot/x", 1, "mallee: no node hosts actor type Robot\n"},
		{"actors find Robot", 2, `"Robot" is not the name of an actor`},
		{"actors move Player/x b", 2, `"b" is not the number of a node`},
		{"node cordon b", 0, "node 2 is told to cordon"},
		{"node cordon c", 1, "there is no node c"},
		{"node cordon silent", 1, "mallee: node silent has no session\n"},
		{"node drain 2", 0, "node 2 is drained"},
		{"settings", 0, "rebalance  true"},
		{"settings rebalance=false --json", 0, `{"rebalance":"false"}`},
		{"settings nonsense=1", 1, "there is no setting nonsense"},
		{"settings nonsense", 2, "is not NAME=VALUE"},
	} {
		code, stdout, stderr := run(t, append(strings.Fields(test.args), "--pd", "127.0.0.1:1,"+addr)...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("%s: exit %d, %s%s, want %d and %q", test.args, code, stdout, stderr, test.code, test.want)
		}
	}
	code, _, stderr := run(t, "status", "--pd", "127.0.0.1:1")
	if code != 1 || !strings.Contains(stderr, "no process of the placement driver answers") {
		t.Errorf("without a placement driver: exit %d, %s", code, stderr)
	}
}
