package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/mallee-io/mallee/storage"
)

// maxBatch bounds what one call of Apply writes, in bytes of keys and values
// and opBytes for each op.
const (
	maxBatch = 64 << 20
	opBytes  = 1 << 10
)

func (s *store) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if err := s.check(ctx); err != nil || len(ops) == 0 {
		return nil, err
	}
	c, err := newCall(epoch, ops)
	if err != nil {
		return nil, err
	}
	start, err := s.queue.add(c)
	if err != nil {
		return nil, err
	}
	if start {
		go s.write()
	}
	return s.await(ctx, c)
}

func newCall(epoch uint64, ops []storage.Op) (*call, error) {
	if err := storage.CheckBatch(epoch, ops); err != nil {
		return nil, err
	}
	size := 0
	for i := range ops {
		size += len(ops[i].Key.Key2) + len(ops[i].Value) + opBytes
	}
	if size > maxBatch {
		return nil, fmt.Errorf("%w: the batch for %s has %d bytes, at most %d are taken; write less at once", storage.ErrTooLarge, ops[0].Key, size, maxBatch)
	}
	key := ops[0].Key
	c := &call{epoch: epoch, ops: make([]op, len(ops)), bytes: size, done: make(chan result, 1)}
	c.partition.id, c.partition.table = partitionID(key.Table, key.Key1), []byte(key.Table)
	c.partition.key1, c.partition.tail, _ = split(key.Key1)
	for i := range ops {
		o := &c.ops[i]
		o.Op, o.Value = ops[i], nil
		o.key2, o.tail, o.sum = split(o.Key.Key2)
		if o.Encoding == storage.JSON && !o.Delete && fitsDocument(ops[i].Value) {
			o.document = string(ops[i].Value)
		} else {
			o.data = append([]byte{}, ops[i].Value...)
		}
	}
	return c, nil
}

// await returns the result of a call. A transaction that has begun has an end,
// so only the wait for it to begin is bounded here.
func (s *store) await(ctx context.Context, c *call) ([]uint64, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-c.done:
		return r.versions, r.err
	case <-ctx.Done():
	case <-timer.C:
	}
	if removed, trouble := s.queue.remove(c); removed {
		return nil, fmt.Errorf("%s was not written: %w", c.ops[0].Key, s.gaveUp(ctx, trouble))
	}
	select {
	case r := <-c.done:
		return r.versions, r.err
	default:
	}
	select {
	case r := <-c.done:
		return r.versions, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("whether %s was written is not known: %w", c.ops[0].Key, ctx.Err())
	}
}
