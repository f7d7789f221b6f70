package pd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// A Koala host cannot report what it has to a new leader. So its grants are in
// etcd, under its lease, before anybody hears of them.

// grantWrite is a grant on its way to etcd.
type grantWrite struct {
	id      mallee.ID
	grant   driver.Grant
	created time.Time
	lease   clientv3.LeaseID
	waiting []asker // for its answer
}

// grantJSON is a grant in etcd; see recordFormat.
type grantJSON struct {
	Format int    `json:"format"`
	Epoch  uint64 `json:"epoch"`
	// Created is when the actor was placed, in Unix milliseconds; 0: it is not known.
	Created int64 `json:"created,omitempty"`
}

// heldSince is a grant of a foreign member.
type heldSince struct {
	driver.Held
	created time.Time // zero: it is not known
}

// keep begins to write a new grant, if that is of a foreign member; it has the
// lock.
func (l *leader) keep(id mallee.ID, g driver.Grant) {
	m, ok := l.members[g.Node]
	if !ok || !m.member.Foreign || g.Epoch == 0 {
		return
	}
	w := &grantWrite{id: id, grant: g, created: time.Now(), lease: m.lease}
	l.writes[id] = w
	l.place(g.Node, id, w.created)
	select {
	case l.written <- struct{}{}:
	default:
	}
}

// place notes when an actor came to a foreign member; it has the lock, or is
// alone.
func (l *leader) place(node driver.NodeID, id mallee.ID, at time.Time) {
	if l.placed[node] == nil {
		l.placed[node] = make(map[mallee.ID]time.Time)
	}
	l.placed[node][id] = at
}

// dropWrites asks anew where a foreign member was the answer that is none any
// more; it has the lock.
func (l *leader) dropWrites(node driver.NodeID) {
	for id, w := range l.writes {
		if w.grant.Node != node {
			continue
		}
		delete(l.writes, id)
		for _, who := range w.waiting {
			l.ask(0, who)
		}
	}
}

// grantsAtOnce is below what etcd takes in a transaction.
const grantsAtOnce = 100

// writeGrants writes until ctx ends or this process leads no more.
func (s *Server) writeGrants(ctx context.Context, l *leader) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.written:
		}
		for batch := l.unwritten(); len(batch) > 0; batch = l.unwritten() {
			err := s.putGrants(ctx, l, batch)
			switch {
			case ctx.Err() != nil:
				return nil
			case errors.Is(err, errLeaseGone):
				s.putEach(ctx, l, batch)
				pause(ctx, clockTick) // until the member is lost
			case errors.Is(err, errStepDown):
				return err
			case err != nil:
				s.config.Log.Warn("cannot keep what a Koala host has; trying again", "err", err)
				pause(ctx, campaignPause)
			}
		}
	}
}

var (
	errLeaseGone = errors.New("the lease of a Koala host has ended")
	errStepDown  = errors.New("another process leads")
)

// putEach keeps those of a batch that can be kept.
func (s *Server) putEach(ctx context.Context, l *leader, batch []*grantWrite) {
	for _, w := range batch {
		_ = s.putGrants(ctx, l, []*grantWrite{w}) // what has failed is tried again
	}
}

func (l *leader) unwritten() (batch []*grantWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writes {
		if batch = append(batch, w); len(batch) == grantsAtOnce {
			break
		}
	}
	return batch
}

func (s *Server) putGrants(ctx context.Context, l *leader, batch []*grantWrite) error {
	var puts []clientv3.Op
	for _, w := range batch {
		text, err := json.Marshal(grantJSON{recordFormat, w.grant.Epoch, w.created.UnixMilli()})
		if err != nil {
			return err
		}
		puts = append(puts, clientv3.OpPut(s.keys.grant(w.grant.Node, w.id), string(text), clientv3.WithLease(w.lease)))
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	done, err := s.client.Txn(ctx).If(l.guard).Then(puts...).Commit()
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return errLeaseGone
	case err != nil:
		return noAnswer("keep grants", err)
	case !done.Succeeded:
		return errStepDown
	}
	l.kept(batch)
	return nil
}

// kept answers those who have waited for grants to be in etcd.
func (l *leader) kept(batch []*grantWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range batch {
		if l.writes[w.id] != w { // its member is lost
			continue
		}
		delete(l.writes, w.id)
		for _, who := range w.waiting {
			who.hear(driver.Answer{Grant: w.grant})
		}
	}
}

// listGrants reads what foreign members have.
func (s *Server) listGrants(ctx context.Context) (map[driver.NodeID][]heldSince, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*etcdPatience)
	defer cancel()
	all := make(map[driver.NodeID][]heldSince)
	from, end := s.keys.foreign(), clientv3.GetPrefixRangeEnd(s.keys.foreign())
	for {
		got, err := s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(listAtOnce))
		if err != nil {
			return nil, noAnswer("read what Koala hosts have", err)
		}
		for _, kv := range got.Kvs {
			node, id, ok := s.keys.granted(string(kv.Key))
			var g grantJSON
			if err := json.Unmarshal(kv.Value, &g); err != nil || !ok || g.Format != recordFormat || g.Epoch == 0 {
				return nil, fmt.Errorf("the key %s of etcd is damaged: %q", kv.Key, kv.Value)
			}
			held := heldSince{Held: driver.Held{ID: id, Epoch: g.Epoch}}
			if g.Created > 0 {
				held.created = time.UnixMilli(g.Created)
			}
			all[node] = append(all[node], held)
			from = string(kv.Key) + "\x00"
		}
		if !got.More {
			return all, nil
		}
	}
}

// listAtOnce keeps etcd's answers below 4 MiB.
const listAtOnce = 1000
