package pd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/v3/concurrency"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
)

const (
	// A leader that is gone is followed after this time, in seconds.
	leaderTTL = 3
	// leaderPatience is how long a request waits for somebody to lead. Koala
	// hosts ask for no more than 5 s.
	leaderPatience = 4 * time.Second
	// A candidate that has failed tries again after this time.
	campaignPause = 200 * time.Millisecond
)

// errNotLeader says that a write was refused since this process leads no more.
var errNotLeader = mallee.ErrUnavailable.Errorf("this process does not lead the placement driver any more").BeforeRun()

// candidate is what a process says of itself in the election.
type candidate struct {
	Format  int    `json:"format"`
	Name    string `json:"name"`
	Addr    string `json:"addr"` // of its client port
	Version string `json:"version,omitempty"`

	revision int64 // in which it stood; the lowest one leads
}

// election is what this process knows of who leads.
type election struct {
	mu      sync.Mutex
	mine    *leader   // nil: this process does not lead
	seen    candidate // who leads, as etcd says; no name: nobody
	changed chan struct{}
}

func newElection() *election { return &election{changed: make(chan struct{})} }

func (e *election) now() (mine *leader, seen candidate, changed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mine, e.seen, e.changed
}

func (e *election) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	close(e.changed)
	e.changed = make(chan struct{})
}

// campaign stands for the election, leads when elected, and stands again.
func (s *Server) campaign(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.stand(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("not leading the placement driver", "err", err)
			pause(ctx, campaignPause)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (s *Server) stand(ctx context.Context) error {
	granting, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	lease, err := s.client.Grant(granting, leaderTTL)
	if err != nil {
		return noAnswer("stand for election", err)
	}
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(lease.ID), concurrency.WithTTL(leaderTTL))
	if err != nil {
		return fmt.Errorf("stand for election: %w", err)
	}
	defer s.resign(session)
	ctx, stepDown := context.WithCancelCause(ctx)
	defer stepDown(nil)
	go func() {
		select {
		case <-session.Done():
			stepDown(errors.New("lost the lease of the election"))
		case <-ctx.Done():
		}
	}()
	self, err := json.Marshal(candidate{Format: recordFormat, Name: s.config.Name, Addr: s.config.Advertise, Version: s.config.Version})
	if err != nil {
		return err
	}
	if err := s.withdraw(ctx); err != nil {
		return err
	}
	e := concurrency.NewElection(session, s.keys.election())
	if err := e.Campaign(ctx, string(self)); err != nil {
		return fmt.Errorf("stand for election: %w", causeOr(ctx, err))
	}
	return causeOr(ctx, s.lead(ctx, e.Key(), e.Rev()))
}

// withdraw ends the candidacies of earlier lives of this process. One that was
// killed while it led would lead until its lease ends, and etcd gives each lease
// its whole time again when it has got another leader.
func (s *Server) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	got, err := s.client.Get(ctx, s.keys.election()+"/", clientv3.WithPrefix())
	if err != nil {
		return noAnswer("stand for election", err)
	}
	for _, kv := range got.Kvs {
		c, err := candidateOf(kv)
		if err != nil {
			return err
		}
		if c.Name != s.config.Name || c.Addr != s.config.Advertise {
			continue
		}
		key := string(kv.Key)
		if _, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", kv.CreateRevision)).
			Then(clientv3.OpDelete(key)).Commit(); err != nil {
			return noAnswer("stand for election", err)
		}
	}
	return nil
}

func candidateOf(kv *mvccpb.KeyValue) (c candidate, err error) {
	if err := json.Unmarshal(kv.Value, &c); err != nil {
		return c, fmt.Errorf("the key %s of etcd is damaged: %q", kv.Key, kv.Value)
	}
	c.revision = kv.CreateRevision
	return c, nil
}

// resignPatience is short: a lease that cannot be revoked ends by itself.
const resignPatience = time.Second

func (s *Server) resign(session *concurrency.Session) {
	session.Orphan()
	ctx, cancel := context.WithTimeout(s.client.Ctx(), resignPatience)
	defer cancel()
	_, _ = s.client.Revoke(ctx, session.Lease())
}

// causeOr prefers why a context has ended to the error that this gave.
func causeOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// observe keeps up with who leads.
func (s *Server) observe(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.observeOnce(ctx); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("not following the election", "err", err)
			pause(ctx, campaignPause)
		}
	}
}

func (s *Server) observeOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	revision, err := s.look(ctx)
	if err != nil {
		return err
	}
	prefix := s.keys.election() + "/"
	for r := range s.client.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1)) {
		if err := r.Err(); err != nil {
			return err
		}
		if _, err := s.look(ctx); err != nil {
			return err
		}
	}
	return errors.New("etcd has ended the watch")
}

// look asks etcd who leads: the candidate that came first.
func (s *Server) look(ctx context.Context) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	got, err := s.client.Get(ctx, s.keys.election()+"/", clientv3.WithFirstCreate()...)
	if err != nil {
		return 0, noAnswer("find the leader", err)
	}
	var leads candidate
	if len(got.Kvs) > 0 {
		if leads, err = candidateOf(got.Kvs[0]); err != nil {
			return 0, err
		}
	}
	s.election.set(func() { s.election.seen = leads })
	return got.Header.Revision, nil
}

// whoLeads waits, for a bounded time, until somebody leads: this process (mine)
// or the one at addr.
func (s *Server) whoLeads(ctx context.Context) (mine *leader, addr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaderPatience)
	defer cancel()
	for {
		mine, seen, changed := s.election.now()
		if mine != nil {
			return mine, "", nil
		}
		if seen.Name != "" && seen.Addr != s.config.Advertise {
			return nil, seen.Addr, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, "", mallee.ErrUnavailable.Errorf("nobody leads the placement driver just now; is there a majority of its processes?").BeforeRun()
		}
	}
}
