package pd

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// koala is the cluster as Koala's API sees it. An interface that a host serves
// is an actor type, and the type's one interface is the name of what implements it.
type koala struct{ *Server }

var _ koalahttp.Cluster = koala{}

func (k koala) NextID(ctx context.Context) (int64, error) {
	if err := k.await(ctx); err != nil {
		return 0, err
	}
	id, err := k.ids.host(ctx, k.keys)
	return int64(id), err
}

func (k koala) Sequence(ctx context.Context, key string, step int64) (int64, error) {
	if err := k.await(ctx); err != nil {
		return 0, err
	}
	return k.ids.sequence(ctx, k.keys.sequence(key), step)
}

func (k koala) Register(ctx context.Context, h koalahttp.Host, ttl time.Duration) (lease int64, err error) {
	if err := k.await(ctx); err != nil {
		return 0, err
	}
	issued, _, err := k.ids.nodes.read(ctx)
	if err != nil {
		return 0, err
	}
	if h.ServerID > issued {
		return 0, koalahttp.ErrNotIssued
	}
	m := &placementpb.Member{
		Id: uint64(h.ServerID), Name: h.Desc, Addr: h.Address, Labels: h.Labels, Foreign: true,
		SinceUnixMs: h.StartTime, // the same when the handler tries again
	}
	for service, implementation := range h.Services {
		if implementation != "" {
			m.Types = append(m.Types, &placementpb.Type{Name: service, Interfaces: []string{implementation}})
		}
	}
	slices.SortFunc(m.Types, func(a, b *placementpb.Type) int { return strings.Compare(a.GetName(), b.GetName()) })
	joined, err := k.Join(ctx, &placementpb.JoinRequest{Cluster: k.config.Cluster, Member: m, TtlMs: ttl.Milliseconds(), Load: h.Load})
	cause := words.Cause(err)
	switch {
	case cause != nil && cause.Code == mallee.CodeConflict:
		return 0, koalahttp.ErrRegistered
	case cause != nil:
		return 0, cause
	}
	return joined.GetLease(), err
}

// KeepAlive looks first whose the lease is.
func (k koala) KeepAlive(ctx context.Context, id, lease, load int64) error {
	if err := k.await(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	err := k.setLoad(ctx, driver.NodeID(id), clientv3.LeaseID(lease), load)
	if err == nil {
		_, err = k.renew(ctx, driver.NodeID(id), clientv3.LeaseID(lease))
	}
	if errors.Is(err, mallee.ErrFenced) {
		return k.whyGone(ctx, driver.NodeID(id))
	}
	return err
}

// setLoad notes what a host measures, for the leader to see. An ErrFenced when
// the lease is not that of a host.
func (k koala) setLoad(ctx context.Context, id driver.NodeID, lease clientv3.LeaseID, load int64) error {
	for {
		r, _, err := k.memberUnder(ctx, id, lease)
		switch {
		case err != nil:
			return err
		case !r.member.Foreign:
			return fenced(id)
		case r.load == load:
			return nil
		}
		r.load = load
		text, err := r.encode()
		if err != nil {
			return err
		}
		key := k.keys.member(id)
		done, err := k.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", r.revision)).
			Then(clientv3.OpPut(key, text, clientv3.WithLease(lease))).Commit()
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return fenced(id)
		}
		if err != nil {
			return noAnswer("note the load", err)
		}
		if done.Succeeded {
			return nil
		}
	}
}

// whyGone says why a host is a member no more, as Koala does.
func (k koala) whyGone(ctx context.Context, id driver.NodeID) error {
	got, err := k.client.Get(ctx, k.keys.known(id))
	if err != nil {
		return noAnswer("find who the host was", err)
	}
	for _, kv := range got.Kvs {
		switch f, err := k.readFormer(kv); {
		case err != nil:
			return err
		case f.deleted:
			return koalahttp.ErrNoHost
		}
	}
	return koalahttp.ErrNoLease
}

func (k koala) Delete(ctx context.Context, id int64, addr string) error {
	if err := k.await(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	for {
		key := k.keys.member(driver.NodeID(id))
		got, err := k.client.Get(ctx, key)
		if err != nil {
			return noAnswer("find the member", err)
		}
		if len(got.Kvs) == 0 {
			return nil
		}
		r, err := k.readRecord(got.Kvs[0])
		if err != nil || !r.member.Foreign || r.member.Addr != addr {
			return err
		}
		done, err := k.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", r.revision)).
			Then(clientv3.OpDelete(key), clientv3.OpPut(k.keys.known(r.member.ID), knownGone(time.Now())+knownDeleted)).Commit()
		if err != nil {
			return noAnswer("delete the member", err)
		}
		if done.Succeeded { // otherwise it has told its load meanwhile
			k.discard(ctx, r.lease)
			return nil
		}
	}
}

// Hosts lists Mallee nodes too: each of their types is a service.
func (k koala) Hosts(ctx context.Context) ([]koalahttp.Host, []koalahttp.Event, error) {
	if err := k.await(ctx); err != nil {
		return nil, nil, err
	}
	members, gone, err := k.listKnown(ctx)
	if err != nil {
		return nil, nil, err
	}
	hosts := make([]koalahttp.Host, len(members))
	for i := range members {
		hosts[i] = hostOf(&members[i])
	}
	return hosts, events(hosts, gone, time.Now()), nil
}

func hostOf(r *record) koalahttp.Host {
	services := make(map[string]string)
	for _, t := range r.member.Types {
		services[t.Name] = t.Name
		if r.member.Foreign && len(t.Interfaces) > 0 {
			services[t.Name] = t.Interfaces[0]
		}
	}
	return koalahttp.Host{
		ServerID: int64(r.member.ID), Load: r.load, StartTime: r.member.Since.UnixMilli(), TTL: r.ttl,
		Address: r.member.Addr, Services: services, Desc: r.member.Name, Labels: r.member.Labels,
	}
}

// events tells who joined and left lately, in the order of time.
func events(hosts []koalahttp.Host, gone []former, now time.Time) []koalahttp.Event {
	var changes []koalahttp.Event
	for _, h := range hosts {
		if now.UnixMilli()-h.StartTime < koalahttp.EventLife.Milliseconds() {
			changes = append(changes, koalahttp.Event{Time: h.StartTime, Add: []int64{h.ServerID}})
		}
	}
	for _, f := range gone {
		at := f.gone
		if at == 0 {
			at = now.UnixMilli()
		}
		changes = append(changes, koalahttp.Event{Time: at, Remove: []int64{int64(f.id)}})
	}
	slices.SortStableFunc(changes, func(a, b koalahttp.Event) int { return int(a.Time - b.Time) })
	return changes
}

func (k koala) Position(ctx context.Context, actorType, actorID string) (koalahttp.Position, error) {
	mine, _, _ := k.election.now()
	if mine == nil {
		return koalahttp.Position{}, errNotLeader
	}
	a, err := mine.locate(ctx, mallee.ID{Type: actorType, Key: actorID})
	switch {
	case err != nil:
		return koalahttp.Position{}, err
	case errors.Is(a.Err, mallee.ErrNotFound):
		return koalahttp.Position{}, koalahttp.ErrNoType
	case a.Err != nil:
		return koalahttp.Position{}, koalahttp.ErrNoServer
	}
	return mine.position(mallee.ID{Type: actorType, Key: actorID}, a.Grant)
}

// locate asks the Directory for somebody who has no session, and waits.
func (l *leader) locate(ctx context.Context, id mallee.ID) (driver.Answer, error) {
	reply := make(chan driver.Answer, 1)
	l.mu.Lock()
	l.ask(0, asker{id: id, reply: reply})
	l.mu.Unlock()
	select {
	case a := <-reply:
		return a, nil
	case <-l.done:
		return driver.Answer{}, errNotLeader
	case <-ctx.Done():
		return driver.Answer{}, context.Cause(ctx)
	}
}

func (l *leader) position(id mallee.ID, g driver.Grant) (koalahttp.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.members[g.Node]
	if !ok {
		return koalahttp.Position{}, mallee.ErrUnavailable.Errorf("node %s has just gone", g.Node)
	}
	created, ok := l.placed[g.Node][id]
	if !ok { // at some time after
		created = r.member.Since
		if l.began.After(created) {
			created = l.began
		}
	}
	return koalahttp.Position{Created: created, ServerID: int64(g.Node), Address: r.member.Addr}, nil
}

func (k koala) Leader(ctx context.Context) (here bool, url string, err error) {
	if err := k.await(ctx); err != nil {
		return false, "", err
	}
	mine, addr, err := k.whoLeads(ctx)
	if err != nil || mine != nil {
		return mine != nil, "", err
	}
	return false, k.config.TLS.scheme() + "://" + addr, nil
}
