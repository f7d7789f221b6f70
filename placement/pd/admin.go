package pd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// Status implements placementpb.AdminServer.
func (s *Server) Status(ctx context.Context, req *placementpb.StatusRequest) (*placementpb.StatusResponse, error) {
	return atLeader(ctx, s, req, s.status, process.Status)
}

func (s *Server) status(ctx context.Context, l *leader, _ *placementpb.StatusRequest) (*placementpb.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	processes, err := s.processes(ctx)
	if err != nil {
		return nil, err
	}
	r := l.nodes()
	r.Cluster, r.Version, r.Processes = s.config.Cluster, s.config.Version, processes
	s.addLeases(ctx, l, r.GetNodes())
	return r, nil
}

func (l *leader) nodes() *placementpb.StatusResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &placementpb.StatusResponse{Term: l.term, Recovering: l.directory.Recovering()}
	for _, n := range l.directory.Nodes() {
		r.Actors += int64(n.Actors)
		r.Nodes = append(r.Nodes, &placementpb.NodeStatus{
			Member: words.MemberMessage(&n.Member), Actors: int64(n.Actors), Load: int64(n.Load),
			Status:   &placementpb.Status{Cordoned: n.Status.Cordoned, Load: int64(n.Status.Load)},
			Reported: n.Reported, Connected: l.sessions[n.Member.ID] != nil,
		})
	}
	return r
}

// processes are those that stand in the election, which are well, and those
// that the embedded etcd knows beside them.
func (s *Server) processes(ctx context.Context) ([]*placementpb.Process, error) {
	got, err := s.client.Get(ctx, s.keys.election()+"/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	if err != nil {
		return nil, noAnswer("list processes", err)
	}
	var all []*placementpb.Process
	for i, kv := range got.Kvs {
		var c candidate
		if err := json.Unmarshal(kv.Value, &c); err != nil {
			return nil, fmt.Errorf("the key %s of etcd is damaged: %q", kv.Key, kv.Value)
		}
		all = append(all, &placementpb.Process{Name: c.Name, Addr: c.Addr, Version: c.Version, Leader: i == 0, Healthy: true})
	}
	if s.etcd != nil {
		members, err := s.client.MemberList(ctx)
		if err != nil {
			return nil, noAnswer("list processes", err)
		}
		for _, m := range members.Members {
			if !slices.ContainsFunc(all, func(p *placementpb.Process) bool { return p.GetName() == m.Name }) {
				all = append(all, &placementpb.Process{Name: m.Name, Addr: hosts(m.ClientURLs)})
			}
		}
	}
	slices.SortFunc(all, func(a, b *placementpb.Process) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, nil
}

func hosts(urls []string) string {
	if len(urls) == 0 {
		return "" // it has not started yet
	}
	_, host, _ := strings.Cut(urls[0], "://")
	return host
}

// leasesAtOnce bounds the questions to etcd for a status.
const leasesAtOnce = 16

// addLeases adds what is left of leases, where etcd tells in time.
func (s *Server) addLeases(ctx context.Context, l *leader, nodes []*placementpb.NodeStatus) {
	leases := l.leases()
	var asking errgroup.Group
	asking.SetLimit(leasesAtOnce)
	for _, n := range nodes {
		asking.Go(func() error {
			if left, err := s.client.TimeToLive(ctx, leases[n.GetMember().GetId()]); err == nil && left.TTL > 0 {
				n.LeaseMs = left.TTL * 1000
			}
			return nil // 0 says that it is not known
		})
	}
	_ = asking.Wait() // no function fails
}

func (l *leader) leases() map[uint64]clientv3.LeaseID {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[uint64]clientv3.LeaseID, len(l.members))
	for id, m := range l.members {
		all[uint64(id)] = m.under
	}
	return all
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// Actors implements placementpb.AdminServer.
func (s *Server) Actors(ctx context.Context, req *placementpb.ActorsRequest) (*placementpb.ActorsResponse, error) {
	return atLeader(ctx, s, req, s.actors, process.Actors)
}

func (s *Server) actors(_ context.Context, l *leader, req *placementpb.ActorsRequest) (*placementpb.ActorsResponse, error) {
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultPage
	}
	if limit < 0 || limit > maxPage {
		return nil, mallee.ErrInvalid.Errorf("a page of %d actors: it has between 1 and %d", limit, maxPage)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	page, more := l.directory.Page(driver.Filter{Type: req.GetType(), Prefix: req.GetPrefix(), Node: driver.NodeID(req.GetNode())}, words.ID(req.GetAfter()), limit)
	r := &placementpb.ActorsResponse{More: more}
	for _, p := range page {
		r.Actors = append(r.Actors, placedPB(p.ID, p.Grant))
	}
	return r, nil
}

func placedPB(id mallee.ID, g driver.Grant) *placementpb.Placed {
	return &placementpb.Placed{Grant: words.GrantMessage(id, g.Epoch), Node: uint64(g.Node)}
}

// Find implements placementpb.AdminServer.
func (s *Server) Find(ctx context.Context, req *placementpb.FindRequest) (*placementpb.FindResponse, error) {
	return atLeader(ctx, s, req, s.find, process.Find)
}

func (s *Server) find(_ context.Context, l *leader, req *placementpb.FindRequest) (*placementpb.FindResponse, error) {
	id := words.ID(req.GetActor())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := new(placementpb.FindResponse)
	g, placed := l.directory.Owner(id)
	if placed {
		r.Placed = placedPB(id, g)
	}
	able := 0
	for _, c := range l.directory.Consider(id) {
		if c.Able {
			able++
		}
		r.Candidates = append(r.Candidates, &placementpb.Candidate{Node: uint64(c.Node), Able: c.Able, Reason: c.Reason, Load: int64(c.Load)})
	}
	switch {
	case placed:
		r.Why = fmt.Sprintf("node %s has the grant of epoch %d, and keeps it until it releases it or its lease ends", g.Node, g.Epoch)
	case l.directory.Recovering():
		r.Why = "no node that has reported to the new leader has it; others have yet to report"
	case able == 0:
		r.Why = "it lives nowhere, and no node could have it now"
	default:
		r.Why = fmt.Sprintf("it lives nowhere; the next call places it on one of %d nodes", able)
	}
	return r, nil
}

// Tell implements placementpb.AdminServer.
func (s *Server) Tell(ctx context.Context, req *placementpb.TellRequest) (*placementpb.TellResponse, error) {
	return atLeader(ctx, s, req, s.tell, process.Tell)
}

func (s *Server) tell(_ context.Context, l *leader, req *placementpb.TellRequest) (*placementpb.TellResponse, error) {
	if c := req.GetCommand(); c == placementpb.Command_COMMAND_UNSPECIFIED || placementpb.Command_name[int32(c)] == "" {
		return nil, mallee.ErrInvalid.Errorf("there is no command %d", c)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m, err := l.named(driver.NodeID(req.GetNode()), req.GetName())
	if err != nil {
		return nil, err
	}
	of, err := l.sessionOf(&m)
	if err != nil {
		return nil, err
	}
	of.out.command(req.GetCommand())
	return &placementpb.TellResponse{Node: uint64(m.ID)}, nil
}

// named finds a member by its ID, or by a name that no other has; it has the
// lock.
func (l *leader) named(id driver.NodeID, name string) (driver.Member, error) {
	if id != 0 {
		if r, ok := l.members[id]; ok {
			return r.member, nil
		}
		return driver.Member{}, mallee.ErrNotFound.Errorf("node %s is no member", id)
	}
	var found []driver.Member
	for _, r := range l.members {
		if r.member.Name == name {
			found = append(found, r.member)
		}
	}
	switch len(found) {
	case 0:
		return driver.Member{}, mallee.ErrNotFound.Errorf("no node has the name %q", name)
	case 1:
		return found[0], nil
	}
	return driver.Member{}, mallee.ErrInvalid.Errorf("%d nodes have the name %q: give the ID of one", len(found), name)
}

// sessionOf has the lock.
func (l *leader) sessionOf(m *driver.Member) (*session, error) {
	if m.Foreign {
		return nil, mallee.ErrInvalid.Errorf("node %s is a Koala host, which takes no commands: stop it with its own means", m.ID)
	}
	of := l.sessions[m.ID]
	if of == nil {
		return nil, mallee.ErrUnavailable.Errorf("node %s has no connection with the placement driver just now", m.ID)
	}
	return of, nil
}

// Migrate implements placementpb.AdminServer.
func (s *Server) Migrate(ctx context.Context, req *placementpb.MigrateRequest) (*placementpb.MigrateResponse, error) {
	return atLeader(ctx, s, req, s.migrate, process.Migrate)
}

func (s *Server) migrate(_ context.Context, l *leader, req *placementpb.MigrateRequest) (*placementpb.MigrateResponse, error) {
	id, to := words.ID(req.GetActor()), driver.NodeID(req.GetTo())
	if err := id.Validate(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g, ok := l.directory.Owner(id)
	if !ok {
		return nil, mallee.ErrNotFound.Errorf("%s lives nowhere", id)
	}
	if g.Node == to {
		return nil, mallee.ErrInvalid.Errorf("%s lives on node %s", id, to)
	}
	if err := l.takes(id, to); err != nil {
		return nil, err
	}
	owner := l.members[g.Node].member
	of, err := l.sessionOf(&owner)
	if err != nil {
		return nil, err
	}
	l.counts.moves.Add(1)
	of.out.move(&placementpb.Move{Grant: words.GrantMessage(id, g.Epoch), To: uint64(to)})
	return &placementpb.MigrateResponse{Placed: placedPB(id, g)}, nil
}

// takes says why a member cannot get an actor; it has the lock.
func (l *leader) takes(id mallee.ID, to driver.NodeID) error {
	for _, c := range l.directory.Consider(id) {
		switch {
		case c.Node == to && c.Able:
			return nil
		case c.Node == to:
			return mallee.ErrInvalid.Errorf("node %s cannot have %s: %s", to, id, c.Reason)
		}
	}
	return mallee.ErrNotFound.Errorf("node %s is no member", to)
}
