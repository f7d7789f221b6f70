package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/internal/keys"
)

const (
	// stripeCount is how many partitions can be checked and written side by side.
	stripeCount = 1024
	// stripeSize is how many partitions a stripe knows.
	stripeSize = 64
)

// stripe is a part of the partitions. Its lock is held in memory only, never
// during an fsync.
type stripe struct {
	mu    sync.Mutex
	known map[string]*partition // by the key of the head
}

// partition is what is known of one that was written lately, so that an actor
// which writes again need not read: to append a row, or to write the same one
// again, are what actors mostly do. This process is the only one that writes.
type partition struct {
	epoch uint64

	recent  string // key2 of the row that was written last
	version uint64 // of it; 0: it was deleted

	last    string // key2, after which there is no row
	hasLast bool
}

// write checks a batch against what is there and commits it to memory.
func (s *store) write(batch *pebble.Batch, epoch uint64, ops []storage.Op) ([]uint64, error) {
	var buffer [256]byte
	at := keys.AppendPartition(append(buffer[:0], headSpace), ops[0].Key.Table, ops[0].Key.Key1)
	stripe := &s.stripes[maphash.Bytes(s.seed, at)%stripeCount]
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	known, p := stripe.known[string(at)], partition{}
	if known != nil {
		p = *known
	}
	if err := s.learn(&p, known != nil, ops); err != nil {
		return nil, err
	}
	if epoch < p.epoch {
		return nil, &storage.FencedError{Key: ops[0].Key, Have: p.epoch, Want: epoch}
	}
	versions := make([]uint64, len(ops))
	for i := range ops {
		have, err := s.have(&p, known != nil, ops[i].Key)
		if err != nil {
			return nil, err
		}
		if versions[i], err = s.writeOp(batch, have, epoch, &ops[i]); err != nil {
			return nil, err
		}
	}
	for i := range ops {
		p.wrote(ops[i].Key.Key2, versions[i])
	}
	if known == nil || epoch != p.epoch {
		p.epoch = epoch
		if err := batch.Set(bytes.Clone(at), appendHead(nil, epoch), nil); err != nil {
			return nil, err
		}
	}
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		delete(stripe.known, string(at))
		return nil, err
	}
	if known != nil {
		*known = p
	} else {
		stripe.remember(string(at), p)
	}
	return versions, nil
}

// learn reads what a batch needs to know of its partition: the epoch of one
// that was not written lately; the last key of one that was, and now gets
// another new row.
func (s *store) learn(p *partition, known bool, ops []storage.Op) (err error) {
	if !known {
		p.epoch, err = s.epoch(ops[0].Key.Table, ops[0].Key.Key1)
		return err
	}
	isNew := func(op storage.Op) bool { return op.Version == 0 }
	if !p.hasLast && slices.ContainsFunc(ops, isNew) {
		p.last, err = s.lastKey(ops[0].Key.Table, ops[0].Key.Key1)
		p.hasLast = err == nil
	}
	return err
}

// have is the version of a row before the batch, 0 where there is none.
func (s *store) have(p *partition, known bool, key storage.Key) (uint64, error) {
	switch {
	case known && key.Key2 == p.recent:
		return p.version, nil
	case p.hasLast && key.Key2 > p.last:
		return 0, nil
	}
	return s.versionOf(key)
}

// wrote notes a row; version 0 is a deleted one.
func (p *partition) wrote(key2 string, version uint64) {
	p.recent, p.version = key2, version
	if p.hasLast {
		p.last = max(p.last, key2)
	}
}

func (s *store) writeOp(batch *pebble.Batch, have, epoch uint64, op *storage.Op) (version uint64, err error) {
	if err := op.CheckVersion(have); err != nil {
		return 0, err
	}
	if op.Delete {
		return 0, batch.Delete(rowKey(op.Key), nil)
	}
	version = s.version.Add(1)
	row := batch.SetDeferred(1+keys.Len(op.Key), rowHeader+len(op.Value))
	appendRowKey(row.Key[:0], op.Key)
	appendRow(row.Value[:0], version, epoch, op)
	return version, row.Finish()
}

// remember keeps what is known of a partition, in the place of another one if
// there are many.
func (st *stripe) remember(at string, p partition) {
	if st.known == nil {
		st.known = make(map[string]*partition)
	}
	for other := range st.known {
		if len(st.known) < stripeSize {
			break
		}
		delete(st.known, other)
	}
	st.known[at] = &p
}

// versionOf a row, 0 where there is none.
func (s *store) versionOf(key storage.Key) (version uint64, err error) {
	if _, err = s.lookup(rowKey(key), func(value []byte) (err error) {
		version, err = decodeVersion(key, value)
		return err
	}); err != nil {
		return 0, fmt.Errorf("read %s: %w", key, err)
	}
	return version, nil
}

// epoch is the newest one that has written to a partition.
func (s *store) epoch(table, key1 string) (epoch uint64, err error) {
	if _, err = s.lookup(partitionKey(headSpace, table, key1), func(value []byte) (err error) {
		epoch, err = decodeHead(value)
		return err
	}); err != nil {
		return 0, fmt.Errorf("read epoch: %w", err)
	}
	return epoch, nil
}

// lastKey is the greatest key2 of a partition, empty where there is no row.
func (s *store) lastKey(table, key1 string) (key2 string, err error) {
	partition := partitionKey(rowSpace, table, key1)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: partition, UpperBound: after(append([]byte{}, partition...))})
	if err != nil {
		return "", fmt.Errorf("read the last key: %w", err)
	}
	if it.Last() {
		key2 = string(it.Key()[len(partition):])
	}
	return key2, errors.Join(it.Error(), it.Close())
}
