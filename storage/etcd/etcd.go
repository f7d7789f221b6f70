// Package etcd is the store for a small cluster: it keeps the rows in etcd,
// beside whatever else is there. A write that has been acknowledged is on the
// disks of a majority of etcd's members.
//
// Each Apply is one transaction and one round trip, and each Get sees all that
// was acknowledged before it. Writes are never repeated: where the answer to
// one is lost, Apply says storage.ErrUnavailable.
//
// etcd keeps old revisions of all keys until it is told to compact them. Run
// it with --auto-compaction-mode=periodic --auto-compaction-retention=5m, or
// it fills up.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/storage"
)

type store struct {
	config Config
	layout layout
	client *clientv3.Client
	closed atomic.Bool
}

var _ storage.Store = (*store)(nil)

// Open opens the store in a cluster, and makes it where there is none. It
// fails with storage.ErrUnavailable if no member answers before ctx ends, or
// within 10 s if ctx has no deadline; that is the bound of later calls, too. A
// prefix that holds something else is refused, and a store that a newer
// version has written.
func Open(ctx context.Context, config Config) (storage.Store, error) {
	config, err := config.complete()
	if err != nil {
		return nil, fmt.Errorf("open store in etcd: %w", err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	s := &store{config: config, layout: layout{config.Prefix}}
	if s.client, err = config.connect(ctx); err != nil {
		return nil, s.explain(ctx, "open store", err)
	}
	if err := s.checkFormat(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// enter refuses a call that need not begin.
func (s *store) enter(ctx context.Context) error {
	if s.closed.Load() {
		return storage.ErrClosed
	}
	return ctx.Err()
}

// checkFormat marks a new store, and refuses one that it does not know.
func (s *store) checkFormat(ctx context.Context) error {
	const what = "open store"
	at := s.layout.format()
	read := clientv3.OpGet(at)
	some := clientv3.OpGet(s.config.Prefix, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())
	found, err := try(ctx, s, s.mayPass, func() (*clientv3.TxnResponse, error) { return s.client.Txn(ctx).Then(read, some).Commit() })
	if err != nil {
		return s.explain(ctx, what, err)
	}
	kvs, others := found.Responses[0].GetResponseRange().GetKvs(), found.Responses[1].GetResponseRange().GetKvs()
	if len(kvs) == 0 && len(others) > 0 {
		return fmt.Errorf("open store in etcd: keys that begin with %q are those of another program, such as %.100q: choose another prefix", s.config.Prefix, others[0].Key)
	}
	if len(kvs) == 0 {
		isNew := clientv3.Compare(clientv3.CreateRevision(at), "=", 0)
		made, err := try(ctx, s, s.mayPass, func() (*clientv3.TxnResponse, error) {
			return s.client.Txn(ctx).If(isNew).Then(clientv3.OpPut(at, format), read).Else(read).Commit()
		})
		if err != nil {
			return s.explain(ctx, what, err)
		}
		kvs = made.Responses[len(made.Responses)-1].GetResponseRange().GetKvs()
	}
	for _, kv := range kvs { // it is one
		if string(kv.Value) != format {
			return fmt.Errorf("open store in etcd: the format under %q is %.100q, this version of mallee knows %q; use the version that wrote it or a newer one", s.config.Prefix, kv.Value, format)
		}
	}
	return nil
}

func (s *store) Get(ctx context.Context, key storage.Key) (storage.Row, error) {
	if err := s.enter(ctx); err != nil {
		return storage.Row{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	found, err := try(ctx, s, s.mayPass, func() (*clientv3.GetResponse, error) { return s.client.Get(ctx, s.layout.row(key)) })
	if err != nil {
		return storage.Row{}, s.explainRead(ctx, fmt.Sprintf("read %s", key), err)
	}
	if len(found.Kvs) == 0 {
		return storage.Row{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	return decodeRow(key, found.Kvs[0])
}

// Close cuts calls off that are running. A write among them may have been done.
func (s *store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close store in etcd: %w", err)
	}
	return nil
}
