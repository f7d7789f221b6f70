package replicas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/storage"
)

// ledger reads and writes what the store has. It is not safe for concurrent use, and
// of no use any more after an error.
type ledger struct {
	store storage.Store
	write func(ctx context.Context, ops ...storage.Op) ([]uint64, error) // under the keeper's epoch

	head    head
	version uint64     // of the head's row
	base    crdt.Clock // of the checkpoint
	durable crdt.Clock // what the store has
	log     []stored   // the rows behind the checkpoint
	bytes   int        // of these
	whole   int        // bytes of the checkpoint, as far as they have been seen
	stale   []stored   // what has no meaning any more
}

// stored is where a row is, and its version.
type stored struct {
	key     storage.Key
	version uint64
}

// openLedger writes the head as it was: from then on nobody with an earlier epoch
// can change what is read.
func openLedger(ctx context.Context, store storage.Store, write func(context.Context, ...storage.Op) ([]uint64, error)) (*ledger, error) {
	l := &ledger{store: store, write: write, head: head{Version: headVersion, Next: 1}}
	row, err := store.Get(ctx, headKey)
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		if l.head, l.base, err = parseHead(row); err != nil {
			return nil, err
		}
	}
	l.version = row.Version
	return l, l.writeHead(ctx, l.head)
}

func (l *ledger) writeHead(ctx context.Context, h head) error {
	value, err := json.Marshal(h)
	if err != nil {
		return err
	}
	versions, err := l.write(ctx, storage.Put(headKey, value, l.version))
	if err != nil {
		return err
	}
	l.head, l.version = h, versions[0]
	return nil
}

// give gives out the ID of a replica.
func (l *ledger) give(ctx context.Context) (id crdt.ReplicaID, err error) {
	h := l.head
	id = h.Next
	h.Next++
	h.Given = append(h.Given[:len(h.Given):len(h.Given)], id)
	return id, l.writeHead(ctx, h)
}

// forget takes back the IDs of replicas that are removed.
func (l *ledger) forget(ctx context.Context, gone []crdt.ReplicaID) error {
	h := l.head
	h.Given = slices.DeleteFunc(slices.Clone(h.Given), func(id crdt.ReplicaID) bool { return slices.Contains(gone, id) })
	return l.writeHead(ctx, h)
}

// load reads all that the store has: exactly what the clock durable says.
func (l *ledger) load(ctx context.Context) (*gossip.Values, error) {
	values := gossip.NewStaged(&l.base)
	if err := l.loadCheckpoint(ctx, values); err != nil {
		return nil, err
	}
	return values, l.readLog(ctx, values)
}

func (l *ledger) loadCheckpoint(ctx context.Context, values *gossip.Values) error {
	l.whole = 0
	var pending []byte // the begin of an entry
	n := 0
	for row, err := range l.store.List(ctx, storage.Range{Table: table, Key1: valuesKey(l.head.Generation)}) {
		if err != nil {
			return err
		}
		if n == l.head.Rows {
			break // left over
		}
		n++
		piece, err := openRow(row, valuesRow(l.head.Generation, n))
		if err != nil {
			return err
		}
		pending, l.whole = append(pending, piece...), l.whole+len(piece)
		entries, rest := cutEntries(pending)
		if len(entries) == 0 {
			continue
		}
		if err := values.Load(entries); err != nil {
			return damaged(row.Key, err)
		}
		pending = slices.Clone(rest)
	}
	if n < l.head.Rows || len(pending) > 0 {
		return fmt.Errorf("the store has %d of the %d rows %s/%q, and %d bytes that have no end", n, l.head.Rows, table, valuesKey(l.head.Generation), len(pending))
	}
	return nil
}

// readLog finds out what the store has, and applies the log to values unless they
// are nil.
func (l *ledger) readLog(ctx context.Context, values *gossip.Values) error {
	l.durable, l.log, l.bytes, l.stale = l.base.Clone(), nil, 0, nil
	own := generationPrefix(l.head.Generation)
	var flush []byte // what has come since the last end
	var rows []stored
	for row, err := range l.store.List(ctx, storage.Range{Table: table, Key1: logKey, Prefix: logPrefix}) {
		if err != nil {
			return err
		}
		at := stored{row.Key, row.Version}
		if !strings.HasPrefix(row.Key.Key2, own) {
			l.stale = append(l.stale, at)
			continue
		}
		piece, clock, end, err := parseLogRow(row, logRow(l.head.Generation, len(l.log)+len(rows)+1))
		if err != nil {
			return err
		}
		flush, rows = append(flush, piece...), append(rows, at)
		if !end {
			continue
		}
		if err := applyFlush(values, flush, &clock); err != nil {
			return damaged(row.Key, err)
		}
		l.durable, l.log, l.bytes = clock, append(l.log, rows...), l.bytes+len(flush)
		flush, rows = flush[:0], nil
	}
	if l.head.Generation > 0 && len(l.log) == 0 {
		return fmt.Errorf("the row %s of the store is missing: no checkpoint is complete without it", logRow(l.head.Generation, 1))
	}
	l.stale = append(l.stale, rows...)
	return nil
}

// applyFlush applies the batches of a flush, by which values have what its clock says.
func applyFlush(values *gossip.Values, flush []byte, clock *crdt.Clock) error {
	if values == nil {
		return nil
	}
	for len(flush) > 0 {
		b, rest, err := gossip.ParseBatch(flush)
		if err != nil {
			return err
		}
		switch early, err := values.Apply(&b); {
		case err != nil:
			return err
		case early:
			return fmt.Errorf("batch %d of replica %d has seen what is not before it", b.At.Seq, b.At.Replica)
		}
		flush = rest
	}
	values.Learn(clock)
	if seen := values.Clock(); !seen.Equal(clock) {
		return errors.New("what was written until then is not what its clock says")
	}
	return nil
}

// append adds the batches that lead to a clock.
func (l *ledger) append(ctx context.Context, batches []gossip.Batch, clock *crdt.Clock) error {
	rows, bytes, err := l.writeLog(ctx, l.head.Generation, len(l.log), batches, clock)
	if err != nil {
		return err
	}
	l.log, l.bytes, l.durable = append(l.log, rows...), l.bytes+bytes, clock.Clone()
	return nil
}

// writeLog writes a flush behind so many rows of a generation. It has no meaning
// before its last row is written, which has the clock.
func (l *ledger) writeLog(ctx context.Context, generation uint64, behind int, batches []gossip.Batch, clock *crdt.Clock) (rows []stored, bytes int, err error) {
	put := func(value []byte) error {
		at := stored{key: logRow(generation, behind+len(rows)+1)}
		versions, err := l.write(ctx, storage.PutBytes(at.key, value, 0))
		if err != nil {
			return err
		}
		at.version = versions[0]
		rows, bytes = append(rows, at), bytes+len(value)
		return nil
	}
	var pending []byte
	for i := range batches {
		pending = gossip.AppendBatch(pending, &batches[i])
		for len(pending) > maxRow {
			if err := put(makeRow([]byte{rowMore}, pending[:maxRow])); err != nil {
				return nil, 0, err
			}
			pending = pending[maxRow:]
		}
	}
	err = put(makeRow(clock.Append([]byte{rowEnd}), pending))
	return rows, bytes, err
}

// clean deletes some of the rows that have no meaning any more.
func (l *ledger) clean(ctx context.Context) error {
	left, err := l.remove(ctx, l.stale)
	l.stale = left
	return err
}

// remove deletes some rows of one key1, and returns those that are left.
func (l *ledger) remove(ctx context.Context, rows []stored) (left []stored, err error) {
	n := min(len(rows), maxDeletes)
	if n == 0 {
		return nil, nil
	}
	ops := make([]storage.Op, n)
	for i, row := range rows[:n] {
		ops[i] = storage.Delete(row.key, row.version)
	}
	if _, err := l.write(ctx, ops...); err != nil {
		return rows, err
	}
	return rows[n:], nil
}

const (
	maxDeletes = 64      // rows that are deleted at once: etcd takes 128
	maxLog     = 1 << 16 // rows of the log before a checkpoint is due, however short they are
)
