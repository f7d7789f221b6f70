package pd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// record is a member in etcd. Its key is under its lease.
type record struct {
	member driver.Member
	ttl    int64 // seconds
	load   int64 // that a Koala host has told

	expelled bool // its lease is not renewed any more

	lease    clientv3.LeaseID // by which the node is known, the first one
	under    clientv3.LeaseID // of the key; see relet
	since    uint64           // the term of etcd in which that one was given, or an earlier one
	revision int64            // of its last change
}

// recordFormat is the version of what follows. Fields may be added to it; a
// process that finds a higher one is too old.
const recordFormat = 1

type recordJSON struct {
	Format int             `json:"format"`
	Member json.RawMessage `json:"member"`
	TTL    int64           `json:"ttl"`
	Load   int64           `json:"load,omitempty"`
	Lease  int64           `json:"lease,omitempty"` // 0: that of the key
	Since  uint64          `json:"since,omitempty"`

	Expelled bool `json:"expelled,omitempty"`
}

func (r *record) encode() (string, error) {
	member, err := protojson.Marshal(words.MemberMessage(&r.member))
	if err != nil {
		return "", fmt.Errorf("encode a member: %w", err)
	}
	j := recordJSON{Format: recordFormat, Member: member, TTL: r.ttl, Load: r.load, Since: r.since, Expelled: r.expelled}
	if r.under != r.lease {
		j.Lease = int64(r.lease)
	}
	text, err := json.Marshal(j)
	return string(text), err
}

func (s *Server) readRecord(kv *mvccpb.KeyValue) (record, error) {
	id, ok := s.keys.memberID(string(kv.Key))
	r, err := decodeRecord(kv.Value)
	if err == nil && (!ok || r.member.ID != id) {
		err = errors.New("it is of another node")
	}
	if err != nil {
		return r, fmt.Errorf("the key %s of etcd is damaged: %w", kv.Key, err)
	}
	r.under, r.revision = clientv3.LeaseID(kv.Lease), kv.ModRevision
	r.lease = cmp.Or(r.lease, r.under)
	return r, nil
}

func decodeRecord(text []byte) (record, error) {
	var j recordJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return record{}, err
	}
	if j.Format != recordFormat {
		return record{}, fmt.Errorf("it has format %d, and this process knows %d alone", j.Format, recordFormat)
	}
	member := new(placementpb.Member)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(j.Member, member); err != nil {
		return record{}, err
	}
	return record{member: words.Member(member), ttl: j.TTL, load: j.Load, lease: clientv3.LeaseID(j.Lease), since: j.Since, expelled: j.Expelled}, nil
}

// listMembers reads all members, at a revision.
func (s *Server) listMembers(ctx context.Context) (all []record, revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	got, err := s.client.Get(ctx, s.keys.members(), clientv3.WithPrefix())
	if err != nil {
		return nil, 0, noAnswer("list members", err)
	}
	for _, kv := range got.Kvs {
		r, err := s.readRecord(kv)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, r)
	}
	return all, got.Header.Revision, nil
}

// Join implements placementpb.PlacementServer.
func (s *Server) Join(ctx context.Context, req *placementpb.JoinRequest) (*placementpb.JoinResponse, error) {
	return atLeader(ctx, s, req, s.join, process.Join)
}

func (s *Server) join(ctx context.Context, l *leader, req *placementpb.JoinRequest) (*placementpb.JoinResponse, error) {
	r := record{member: words.Member(req.GetMember())}
	if req.GetCluster() != s.config.Cluster {
		return nil, mallee.ErrInvalid.Errorf("this is the placement driver of the cluster %q, not of %q", s.config.Cluster, req.GetCluster())
	}
	if err := checkMember(&r.member); err != nil {
		return nil, err
	}
	ttl, err := s.config.ttl(time.Duration(req.GetTtlMs()) * time.Millisecond)
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("%v", err)
	}
	if r.member.Foreign {
		r.load = req.GetLoad()
	} else if r.member.ID, err = s.ids.node(ctx); err != nil {
		return nil, err
	}
	if !r.member.Foreign || req.GetMember().GetSinceUnixMs() <= 0 {
		r.member.Since = time.Now()
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	lease, err := s.client.Grant(ctx, ttl)
	if err != nil {
		return nil, noAnswer("give a lease", err)
	}
	r.lease, r.under, r.ttl = lease.ID, lease.ID, lease.TTL
	err = s.enter(ctx, l, &r)
	// A node that tries again is another one. A Koala host that does has the same
	// ID, and must find what a try without an answer has left.
	if r.lease != lease.ID || err != nil && !r.member.Foreign {
		s.discard(ctx, lease.ID)
	}
	if err != nil {
		return nil, err
	}
	return &placementpb.JoinResponse{Node: uint64(r.member.ID), Lease: int64(r.lease), TtlMs: r.ttl * 1000, Term: l.term}, nil
}

// enter writes a member, while l leads, and waits until its Directory knows it.
// So each node is among those with which a later term begins, or has joined in
// that term.
func (s *Server) enter(ctx context.Context, l *leader, r *record) error {
	text, err := r.encode()
	if err != nil {
		return err
	}
	told := l.expect(r.member.ID)
	defer l.forgetJoin(r.member.ID)
	key, issued := s.keys.member(r.member.ID), s.keys.issued(r.member.ID)
	conditions := []clientv3.Cmp{l.guard}
	writes := []clientv3.Op{clientv3.OpPut(key, text, clientv3.WithLease(r.lease)), clientv3.OpPut(s.keys.known(r.member.ID), knownLiving)}
	if r.member.Foreign {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(issued), ">", 0))
		writes = append(writes, clientv3.OpDelete(issued))
	}
	done, err := s.client.Txn(ctx).If(conditions...).Then(writes...).
		Else(clientv3.OpGet(issued, clientv3.WithCountOnly()), clientv3.OpGet(key)).Commit()
	switch {
	case err != nil:
		return noAnswer("join", err)
	case !done.Succeeded && r.member.Foreign && done.Responses[0].GetResponseRange().Count == 0:
		return s.repeated(r, done.Responses[1].GetResponseRange().Kvs)
	case !done.Succeeded:
		l.abdicate(errStepDown)
		return errNotLeader
	}
	select {
	case <-told:
	case <-l.done:
		return errNotLeader
	case <-ctx.Done():
		return noAnswer("join", ctx.Err())
	}
	if !l.isMember(r.member.ID) {
		return mallee.ErrUnavailable.Errorf("the lease has ended before the node was a member")
	}
	return nil
}

// repeated looks whether a Koala host whose ID was used is the member that has
// used it, and has asked again since it has heard no answer: r becomes that
// member then. found is its key, if it has a live lease.
func (s *Server) repeated(r *record, found []*mvccpb.KeyValue) error {
	for _, kv := range found {
		was, err := s.readRecord(kv)
		if err != nil {
			return err
		}
		if was.member.Foreign && was.member.Addr == r.member.Addr && was.member.Since.Equal(r.member.Since) {
			*r = was
			return nil
		}
	}
	return mallee.ErrConflict.Errorf("the id %s is or was that of a member", r.member.ID)
}

// discard ends a lease that is of no use; if etcd does not answer, it ends by
// itself.
func (s *Server) discard(ctx context.Context, lease clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignPatience)
	defer cancel()
	_, _ = s.client.Revoke(ctx, lease)
}

const (
	maxText  = 256 // names and addresses, in bytes
	maxTypes = 10_000
	maxNotes = 100 // labels, interfaces
)

// checkMember refuses what a node cannot be.
func checkMember(m *driver.Member) error {
	switch {
	case m.Addr == "":
		return mallee.ErrInvalid.Errorf("a member needs an address")
	case len(m.Name) > maxText || len(m.Addr) > maxText || len(m.Admin) > maxText:
		return mallee.ErrInvalid.Errorf("name or address of the member has more than %d bytes", maxText)
	case len(m.Types) > maxTypes || len(m.Labels) > maxNotes:
		return mallee.ErrInvalid.Errorf("a member has at most %d types and %d labels", maxTypes, maxNotes)
	case m.Foreign != (m.ID != 0):
		return mallee.ErrInvalid.Errorf("foreign members, and they alone, bring an id")
	}
	for _, t := range m.Types {
		if err := (mallee.ID{Type: t.Name, Key: "x"}).Validate(); err != nil {
			return err
		}
		if t.Strategy > mallee.Hashed || t.Weight < 0 || len(t.Labels) > maxNotes || len(t.Interfaces) > maxNotes {
			return mallee.ErrInvalid.Errorf("actor type %s: strategy %d, weight %d: is the placement driver older than the node?", t.Name, t.Strategy, t.Weight)
		}
	}
	return nil
}

// Renew implements placementpb.PlacementServer.
func (s *Server) Renew(ctx context.Context, req *placementpb.RenewRequest) (*placementpb.RenewResponse, error) {
	if err := s.await(ctx); err != nil {
		return nil, statusOf(err)
	}
	ttl, err := s.renew(ctx, driver.NodeID(req.GetNode()), clientv3.LeaseID(req.GetLease()))
	if err != nil {
		return nil, statusOf(err)
	}
	return &placementpb.RenewResponse{TtlMs: ttl * 1000}, nil
}

func (s *Server) renew(ctx context.Context, id driver.NodeID, lease clientv3.LeaseID) (ttl int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	r, _, err := s.memberUnder(ctx, id, lease)
	if err != nil {
		return 0, err
	}
	alive, err := s.client.KeepAliveOnce(ctx, r.under)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return 0, fenced(id)
	}
	if err != nil {
		return 0, noAnswer("renew", err)
	}
	if err := s.relet(ctx, id, lease); err != nil {
		return 0, err
	}
	s.counts.renewals.Add(1)
	return alive.TTL, nil
}

// relet gives a member a new lease of etcd where etcd has got another leader
// since the last one. A leader of etcd that was stopped for a while, and has been
// followed, wakes up in the belief that it leads: it may revoke, before it learns
// better, a lease of whose renewals it has not heard. But it knows only leases
// that were given before it was followed. So a renewal counts only with a lease
// that was given in the term of etcd in which it is answered.
func (s *Server) relet(ctx context.Context, id driver.NodeID, lease clientv3.LeaseID) error {
	for {
		r, term, err := s.memberUnder(ctx, id, lease)
		if err != nil || r.since == term || r.member.Foreign {
			return err
		}
		fresh, err := s.client.Grant(ctx, r.ttl)
		if err != nil {
			return noAnswer("give a lease", err)
		}
		r.under, r.since = fresh.ID, term
		text, err := r.encode()
		if err != nil {
			return err
		}
		key := s.keys.member(id)
		done, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", r.revision)).
			Then(clientv3.OpPut(key, text, clientv3.WithLease(fresh.ID))).Commit()
		if err != nil {
			return noAnswer("renew", err)
		}
		if done.Succeeded {
			return nil // the lease before ends by itself, and nothing is under it
		}
		s.discard(ctx, fresh.ID)
	}
}

// memberUnder finds a member by its lease, and the term of etcd at that time; an
// ErrFenced where it has another one or none, or has been expelled.
func (s *Server) memberUnder(ctx context.Context, id driver.NodeID, lease clientv3.LeaseID) (r record, term uint64, err error) {
	got, err := s.client.Get(ctx, s.keys.member(id))
	if err != nil {
		return r, 0, noAnswer("find the member", err)
	}
	if len(got.Kvs) == 0 {
		return r, 0, fenced(id)
	}
	if r, err = s.readRecord(got.Kvs[0]); err == nil && (r.lease != lease || r.expelled) {
		err = fenced(id)
	}
	return r, got.Header.RaftTerm, err
}

// Leave implements placementpb.PlacementServer.
func (s *Server) Leave(ctx context.Context, req *placementpb.LeaveRequest) (*placementpb.LeaveResponse, error) {
	if err := s.await(ctx); err != nil {
		return nil, statusOf(err)
	}
	return &placementpb.LeaveResponse{}, statusOf(s.leave(ctx, driver.NodeID(req.GetNode()), clientv3.LeaseID(req.GetLease())))
}

func (s *Server) leave(ctx context.Context, id driver.NodeID, lease clientv3.LeaseID) error {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	r, _, err := s.memberUnder(ctx, id, lease)
	if errors.Is(err, mallee.ErrFenced) {
		return nil // it has left
	}
	if err != nil {
		return err
	}
	if _, err := s.client.Revoke(ctx, r.under); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return noAnswer("leave", err)
	}
	return nil
}

// Members implements placementpb.PlacementServer.
func (s *Server) Members(ctx context.Context, _ *placementpb.MembersRequest) (*placementpb.MembersResponse, error) {
	if err := s.await(ctx); err != nil {
		return nil, statusOf(err)
	}
	records, _, err := s.listMembers(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	all := new(placementpb.MembersResponse)
	for _, r := range records {
		all.Members = append(all.Members, words.MemberMessage(&r.member))
	}
	return all, nil
}
