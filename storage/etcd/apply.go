package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/storage"
)

func (s *store) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if err := storage.CheckBatch(epoch, ops); err != nil {
		return nil, err
	}
	b := s.newBatch(epoch, ops)
	if err := s.config.checkSize(b); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	done, err := try(ctx, s, s.asksForLogin, func() (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).If(b.conditions...).Then(b.writes...).Else(b.reads...).Commit()
	})
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return nil, s.full(ctx, b)
	case err != nil:
		return nil, s.explainWrite(ctx, ops[0].Key, err)
	case !done.Succeeded:
		return nil, b.refusal(done)
	}
	versions := make([]uint64, len(ops))
	for i := range ops {
		if !ops[i].Delete {
			versions[i] = uint64(done.Header.Revision)
		}
	}
	return versions, nil
}

// batch is an Apply as a transaction of etcd.
type batch struct {
	epoch      uint64
	ops        []storage.Op
	heads      string
	size       int // at least so many bytes
	conditions []clientv3.Cmp
	writes     []clientv3.Op
	reads      []clientv3.Op // of what the conditions look at: the head, then the rows
}

// extraOps is what a transaction has beside its rows: the condition on the
// head, and two writes of it in a transaction inside the transaction.
const extraOps = 3

func (s *store) newBatch(epoch uint64, ops []storage.Op) *batch {
	b := &batch{epoch: epoch, ops: ops, heads: s.layout.heads(ops[0].Key)}
	after := clientv3.GetPrefixRangeEnd(b.heads)
	own := head(b.heads, epoch)
	b.conditions = append(b.conditions, clientv3.Compare(clientv3.CreateRevision(head(b.heads, epoch+1)), "=", 0).WithRange(after))
	b.reads = append(b.reads, clientv3.OpGet(b.heads, clientv3.WithRange(after), clientv3.WithKeysOnly()))
	// The head is written in the first batch of an epoch only.
	b.writes = append(b.writes, clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(own), "=", 0)},
		[]clientv3.Op{clientv3.OpDelete(b.heads, clientv3.WithRange(own)), clientv3.OpPut(own, "")},
		nil))
	for i := range ops {
		b.add(s.layout.row(ops[i].Key), &ops[i])
	}
	return b
}

func (b *batch) add(at string, op *storage.Op) {
	b.size += 3*len(at) + len(op.Value)
	b.reads = append(b.reads, clientv3.OpGet(at, clientv3.WithKeysOnly()))
	version := clientv3.ModRevision(at)
	if op.Delete && op.Version == 0 {
		b.conditions = append(b.conditions, clientv3.Compare(version, "<", 0)) // never: there is nothing to delete
	} else {
		b.conditions = append(b.conditions, clientv3.Compare(version, "=", int64(op.Version)))
	}
	if op.Delete {
		b.writes = append(b.writes, clientv3.OpDelete(at))
	} else {
		b.writes = append(b.writes, clientv3.OpPut(at, encodeRow(b.epoch, op)))
	}
}

// checkSize refuses what servers certainly do not take. The last bytes of the
// limit are for them to count.
func (c *Config) checkSize(b *batch) error {
	if most := c.MaxTxnOps - extraOps; len(b.ops) > most {
		return fmt.Errorf("write %s: %w: %d rows, and etcd takes %d in a batch: raise --max-txn-ops of its servers and Config.MaxTxnOps", b.ops[0].Key, storage.ErrTooLarge, len(b.ops), most)
	}
	if b.size > c.MaxRequestBytes {
		return fmt.Errorf("write %s: %w: %d bytes with the keys, and etcd takes %d: raise --max-request-bytes of its servers and Config.MaxRequestBytes", b.ops[0].Key, storage.ErrTooLarge, b.size, c.MaxRequestBytes)
	}
	return nil
}

// refusal says why the conditions did not hold, from what the transaction read
// instead of writing.
func (b *batch) refusal(done *clientv3.TxnResponse) error {
	if len(done.Responses) != len(b.reads) {
		return fmt.Errorf("write %s: etcd answers %d questions of %d: is there something between it and this program?", b.ops[0].Key, len(done.Responses), len(b.reads))
	}
	if heads := done.Responses[0].GetResponseRange().GetKvs(); len(heads) > 0 {
		newest, err := parseHead(b.heads, heads[len(heads)-1].Key)
		if err != nil {
			return fmt.Errorf("write %s: %w", b.ops[0].Key, err)
		}
		if b.epoch < newest {
			return &storage.FencedError{Key: b.ops[0].Key, Have: newest, Want: b.epoch}
		}
	}
	for i := range b.ops {
		var have uint64
		if rows := done.Responses[i+1].GetResponseRange().GetKvs(); len(rows) > 0 {
			have = uint64(rows[0].ModRevision)
		}
		if err := b.ops[i].CheckVersion(have); err != nil {
			return err
		}
	}
	return fmt.Errorf("write %s: etcd has refused it, and what it holds gives no reason to", b.ops[0].Key)
}

// full finds out what an answer of "no space" means. A server says so both of
// a write that it has left and of the one that has taken the last of the
// space. The write was left if all is as it was, since no other epoch could
// have undone it; if not, it may have been done.
func (s *store) full(ctx context.Context, b *batch) error {
	key := b.ops[0].Key
	// Reads in it make a transaction see all that was acknowledged.
	now, err := try(ctx, s, s.mayPass, func() (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).If(b.conditions...).Then(b.reads[0]).Else(b.reads[0]).Commit()
	})
	if err != nil {
		return s.explain(ctx, fmt.Sprintf("write %s: etcd is full; look whether it was done", key), err)
	}
	if !now.Succeeded {
		return s.unknown(key, errors.New("etcd is full"))
	}
	return fmt.Errorf("write %s: %w: etcd at %s has used up its quota: compact and defragment it, or raise --quota-backend-bytes, then run etcdctl alarm disarm", key, storage.ErrFull, s.endpoints())
}
