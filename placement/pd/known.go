package pd

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// Each member has a second key, without a lease. It says who was a member, after
// the first one has gone with its lease: Koala's hosts forget a member only
// when they are told for a while that it left, by whichever process of the
// placement driver they ask. The value is empty while the member lives, or
// nobody has noticed; then it is when the leader did, in Unix milliseconds, with
// a word more for a host that somebody has deleted.
const (
	knownLiving  = ""
	knownDeleted = " deleted"
)

func knownGone(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }

// sweepEvery is how often the leader looks for members that have gone.
const sweepEvery = 5 * time.Second

// former is a node that was a member.
type former struct {
	id       driver.NodeID
	gone     int64 // 0: not noticed yet
	deleted  bool  // and its lease has not ended by itself
	revision int64
}

func (s *Server) readFormer(kv *mvccpb.KeyValue) (f former, err error) {
	id, ok := nodeID(strings.TrimPrefix(string(kv.Key), s.keys.knownAll()))
	f = former{id: id, revision: kv.ModRevision}
	text, deleted := strings.CutSuffix(string(kv.Value), knownDeleted)
	if f.deleted = deleted; text != knownLiving {
		f.gone, err = strconv.ParseInt(text, 10, 64)
	}
	if !ok || err != nil {
		return f, fmt.Errorf("the key %s of etcd is damaged: %q", kv.Key, kv.Value)
	}
	return f, nil
}

// listKnown reads members and former ones at the same time.
func (s *Server) listKnown(ctx context.Context) (members []record, gone []former, err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	got, err := s.client.Txn(ctx).Then(
		clientv3.OpGet(s.keys.members(), clientv3.WithPrefix()),
		clientv3.OpGet(s.keys.knownAll(), clientv3.WithPrefix()),
	).Commit()
	if err != nil {
		return nil, nil, noAnswer("list members", err)
	}
	living := make(map[driver.NodeID]bool)
	for _, kv := range got.Responses[0].GetResponseRange().Kvs {
		r, err := s.readRecord(kv)
		if err != nil {
			return nil, nil, err
		}
		members, living[r.member.ID] = append(members, r), true
	}
	for _, kv := range got.Responses[1].GetResponseRange().Kvs {
		f, err := s.readFormer(kv)
		if err != nil {
			return nil, nil, err
		}
		if !living[f.id] {
			gone = append(gone, f)
		}
	}
	return members, gone, nil
}

// sweepKnown notes when members have gone, and forgets those whom nobody has to
// be told of any more.
func (s *Server) sweepKnown(ctx context.Context, l *leader) {
	for ctx.Err() == nil {
		if err := s.sweepOnce(ctx, l, time.Now()); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("cannot note which members have gone; trying again", "err", err)
		}
		pause(ctx, sweepEvery)
	}
}

func (s *Server) sweepOnce(ctx context.Context, l *leader, now time.Time) error {
	_, gone, err := s.listKnown(ctx)
	if err != nil {
		return err
	}
	for _, f := range gone {
		key := s.keys.known(f.id)
		op := clientv3.OpPut(key, knownGone(now))
		if f.gone != 0 {
			if now.Sub(time.UnixMilli(f.gone)) < koalahttp.EventLife {
				continue
			}
			op = clientv3.OpDelete(key)
		}
		writing, cancel := context.WithTimeout(ctx, etcdPatience)
		_, err := s.client.Txn(writing).If(l.guard, clientv3.Compare(clientv3.ModRevision(key), "=", f.revision)).Then(op).Commit()
		cancel()
		if err != nil {
			return noAnswer("note that a member has gone", err)
		}
	}
	return nil
}
