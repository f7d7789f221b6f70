package etcd

import (
	"context"
	"fmt"
	"iter"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/storage"
)

func (s *store) List(ctx context.Context, r storage.Range) iter.Seq2[storage.Row, error] {
	partition := s.layout.row(storage.Key{Table: r.Table, Key1: r.Key1})
	from := partition + max(r.Prefix, r.From)
	to := clientv3.GetPrefixRangeEnd(partition + r.Prefix)
	if r.To != "" {
		to = min(to, partition+r.To)
	}
	return s.rows(ctx, from, to, r.Limit)
}

func (s *store) Scan(ctx context.Context, from storage.Key) iter.Seq2[storage.Row, error] {
	return s.rows(ctx, s.layout.row(from), clientv3.GetPrefixRangeEnd(s.layout.rows()), 0)
}

// rows yields those between two keys of etcd, at most limit if there is one.
func (s *store) rows(ctx context.Context, from, to string, limit int) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		size, left := firstPage, int64(limit)
		for more := true; more; {
			if left > 0 {
				size = min(size, pageSize(left))
			}
			page, err := s.page(ctx, from, to, &size)
			if err != nil {
				yield(storage.Row{}, err)
				return
			}
			for _, kv := range page.Kvs {
				row, err := s.row(kv)
				if !yield(row, err) || err != nil {
					return
				}
				from = string(kv.Key) + "\x00"
			}
			left -= int64(len(page.Kvs))
			more = page.More && (limit <= 0 || left > 0)
		}
	}
}

func (s *store) row(kv *mvccpb.KeyValue) (storage.Row, error) {
	key, err := s.layout.parseRow(string(kv.Key))
	if err != nil {
		return storage.Row{}, err
	}
	return decodeRow(key, kv)
}

// page reads the rows from a key on that fit the size, and adapts the size for
// the next page. It shows what is there now, not what was there at the first
// page: that revision may have been compacted meanwhile.
func (s *store) page(ctx context.Context, from, to string, size *pageSize) (*clientv3.GetResponse, error) {
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	if from >= to {
		return new(clientv3.GetResponse), nil
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		page, err := try(ctx, s, s.mayPass, func() (*clientv3.GetResponse, error) {
			return s.client.Get(ctx, from, clientv3.WithRange(to), clientv3.WithLimit(int64(*size)))
		})
		if err == nil {
			*size = size.after(page.Kvs)
			return page, nil
		}
		if *size == 1 || !isTooLarge(err) {
			return nil, s.explainRead(ctx, "read rows", err)
		}
		*size /= 2
	}
}

// pageSize is how many rows are read at once. etcd knows no bound in bytes,
// and its client refuses too large an answer only when etcd has made it, so
// the size follows that of the rows.
type pageSize int64

const (
	firstPage   pageSize = 16
	largestPage pageSize = 512
	pageBytes            = 1 << 20 // what a page should have
)

// after is the size of the page that follows one.
func (p pageSize) after(page []*mvccpb.KeyValue) pageSize {
	bytes := 0
	for _, kv := range page {
		bytes += len(kv.Key) + len(kv.Value)
	}
	if bytes == 0 {
		return p
	}
	fitting := pageSize(pageBytes * len(page) / bytes)
	return max(1, min(fitting, 2*p, largestPage))
}
