package pd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A node that renews its lease through a follower, and has no way to the leader,
// could keep a new leader from placing anything for ever, since nobody knows
// what it holds. So after a while its lease is not renewed any more: the node
// fences itself, and what it holds is free when the lease has ended.

// leastPatience is how long a leader waits for a report at least, and otherwise
// two leases: a node may have a million actors to tell of.
const leastPatience = 5 * time.Second

// expelSilent watches over the reports of a term, until it ends or they are
// there.
func (s *Server) expelSilent(ctx context.Context, l *leader) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for l.recovering() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range l.overdue(time.Since(l.began)) {
			if err := s.expel(ctx, l, &r); err != nil {
				s.config.Log.Warn("a node that has not reported is not expelled yet", "node", r.member.ID, "error", err)
			}
		}
	}
}

func (l *leader) recovering() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.directory.Recovering()
}

// overdue are members that should have reported.
func (l *leader) overdue(waited time.Duration) (all []record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.directory.Silent() {
		if r, ok := l.members[id]; ok && !r.expelled && waited > max(leastPatience, 2*time.Duration(r.ttl)*time.Second) {
			all = append(all, r)
		}
	}
	return all
}

// expel marks a member, unless its record has changed: then the next tick tries.
func (s *Server) expel(ctx context.Context, l *leader, r *record) error {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	r.expelled = true
	text, err := r.encode()
	if err != nil {
		return err
	}
	key := s.keys.member(r.member.ID)
	done, err := s.client.Txn(ctx).If(l.guard, clientv3.Compare(clientv3.ModRevision(key), "=", r.revision)).
		Then(clientv3.OpPut(key, text, clientv3.WithLease(r.under))).Commit()
	if err != nil {
		return noAnswer("expel", err)
	}
	if done.Succeeded {
		s.config.Log.Error("a node has not reported what it holds: its lease is not renewed any more", "node", r.member.ID, "name", r.member.Name)
	}
	return nil
}
