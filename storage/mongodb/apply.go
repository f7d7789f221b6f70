package mongodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mallee-io/mallee/storage"
)

// How a write is done:
//
//  1. read the head of the partition: its epoch, its version, the pending document
//  2. put the pending document in its place, unless it is there
//  3. read the rows of the batch, and check epoch and versions
//  4. swap the head for one with the new epoch, the next version and the new
//     document as the pending one, on the condition that it has the version of 1
//  5. put the new document in its place
//
// In a transaction all of that happens at once. Without one, a batch is one
// document, and anything may happen between two steps: the process sleeps for
// an hour, or dies. It does no harm:
//
// The write takes place in step 4. If the swap succeeds, no other write has
// taken place since step 1; since 2 nothing was pending, so what 3 has seen is
// what the last write has left. An owner that was replaced fails to swap, or
// sees the newer epoch in step 1.
//
// Whoever swaps next does step 5 for the one that died. So it may be done more
// than once and late, and must then change nothing: it replaces a document
// only by one of a higher version, and inserts one only where there is none
// with its _id. As versions of a partition only grow and nothing newer is
// written before step 2, that puts each document in place once. A deletion
// leaves a document too: without it, an insert that comes late could bring a
// row back.
//
// The same holds between a transaction and a write without one, except that a
// transaction deletes at once. So if a standalone server becomes a replica set,
// no process may go on that was started before.
//
// A write whose step 4 or 5 fails may have been done or be done by the next
// writer: its outcome is not known.

// errAgain asks for another attempt: another write came in between, and
// nothing of this one has been done.
var errAgain = errors.New("another write came in between")

func (s *store) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if len(ops) == 0 {
		return nil, nil
	}
	if err := storage.CheckBatch(epoch, ops); err != nil {
		return nil, err
	}
	if len(ops) > 1 && !s.transactions {
		return nil, fmt.Errorf("%w: %d rows at once: the MongoDB at %s has no transactions; run it as a replica set, or write one row at a time", storage.ErrTooLarge, len(ops), s.address.hosts)
	}
	if err := s.createTable(ctx, ops[0].Key.Table); err != nil {
		return nil, s.failed(ctx, "create the collection of "+ops[0].Key.Table, err)
	}
	for {
		versions, err := s.attempt(ctx, epoch, ops)
		if err == nil {
			return versions, nil
		}
		if !errors.Is(err, errAgain) || pause(ctx) != nil {
			return nil, s.failed(ctx, "write "+ops[0].Key.String(), err)
		}
	}
}

// pause lets the writer that was faster get away.
func pause(ctx context.Context) error {
	timer := time.NewTimer(time.Duration(rand.Int64N(int64(5 * time.Millisecond))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// createTable makes the collection of a table: a transaction cannot do that in
// every cluster.
func (s *store) createTable(ctx context.Context, table string) error {
	if _, known := s.tables.Load(table); known {
		return nil
	}
	for _, name := range []string{headCollection, collectionName(table)} {
		const namespaceExists = 48
		var failure mongo.CommandError
		if err := s.db.CreateCollection(ctx, name); err != nil && !(errors.As(err, &failure) && failure.Code == namespaceExists) {
			return err
		}
	}
	s.tables.Store(table, nil)
	return nil
}

func (s *store) attempt(ctx context.Context, epoch uint64, ops []storage.Op) (versions []uint64, err error) {
	if !s.transactions {
		return s.steps(ctx, epoch, ops)
	}
	err = s.inTransaction(ctx, func(ctx context.Context) error {
		versions, err = s.steps(ctx, epoch, ops)
		return err
	})
	return versions, err
}

func (s *store) steps(ctx context.Context, epoch uint64, ops []storage.Op) ([]uint64, error) {
	old, err := s.head(ctx, ops[0].Key)
	if err != nil {
		return nil, err
	}
	if epoch < old.epoch {
		return nil, &storage.FencedError{Key: ops[0].Key, Have: old.epoch, Want: epoch}
	}
	if err := s.finish(ctx, &old); err != nil {
		return nil, err
	}
	have, err := s.versions(ctx, ops)
	if err != nil {
		return nil, err
	}
	next := head{table: old.table, key1: old.key1, epoch: epoch, version: old.version}
	versions, documents, err := plan(&next, ops, have)
	if err != nil {
		return nil, err
	}
	if !s.transactions {
		next.pending = documents[0].raw
	}
	raw, err := next.document()
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDocument {
		return nil, tooLarge(ops[0].Key, len(raw))
	}
	if err := s.swap(ctx, &old, raw); err != nil {
		return nil, err
	}
	return versions, s.put(ctx, old.table, documents)
}

// stored is what is known of a document before it is written anew.
type stored struct {
	version uint64
	deleted bool
}

// plan checks a batch against what is there, and decides what to write. It
// counts the versions of the head up, for deletions too.
func plan(next *head, ops []storage.Op, have map[string]stored) (versions []uint64, documents []document, err error) {
	versions = make([]uint64, len(ops))
	documents = make([]document, len(ops))
	for i := range ops {
		op := &ops[i]
		was, exists := have[op.Key.Key2]
		visible := was.version
		if was.deleted {
			visible = 0
		}
		if err := op.CheckVersion(visible); err != nil {
			return nil, nil, err
		}
		next.version++
		if documents[i], err = newDocument(op, next.version, next.epoch, exists); err != nil {
			return nil, nil, err
		}
		if size := len(documents[i].raw); size > maxDocument {
			return nil, nil, tooLarge(op.Key, size)
		}
		if !op.Delete {
			versions[i] = next.version
		}
	}
	return versions, documents, nil
}

func tooLarge(key storage.Key, size int) error {
	return fmt.Errorf("%w: %s would be a document of %d bytes, MongoDB takes %d", storage.ErrTooLarge, key, size, maxDocument)
}

// versions reads what is there of the rows of a batch.
func (s *store) versions(ctx context.Context, ops []storage.Op) (map[string]stored, error) {
	ids := make(bson.A, len(ops))
	for i := range ops {
		ids[i] = pairID(ops[i].Key.Key1, ops[i].Key.Key2)
	}
	var which any = bson.D{{Key: "$in", Value: ids}}
	if len(ids) == 1 {
		which = ids[0]
	}
	shape := options.Find().SetProjection(bson.D{{Key: "key2", Value: 1}, {Key: "version", Value: 1}, {Key: "deleted", Value: 1}})
	cursor, err := s.rows(ops[0].Key.Table).Find(ctx, bson.D{{Key: "_id", Value: which}}, shape)
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx) //nolint:errcheck // what it could not read is the error of Err
	found := make(map[string]stored, len(ops))
	for cursor.Next(ctx) {
		f := fields{raw: cursor.Current}
		key2, version := f.text("key2"), f.number("version")
		if f.err == nil && version == 0 {
			f.err = errors.New("its version is 0")
		}
		if f.err != nil {
			return nil, fmt.Errorf("a document of key1 %q in collection %s is damaged, or of a newer version of mallee: %w", ops[0].Key.Key1, collectionName(ops[0].Key.Table), f.err)
		}
		deleted, _ := f.raw.Lookup("deleted").BooleanOK()
		found[key2] = stored{version, deleted}
	}
	return found, cursor.Err()
}

// finish does step 5 of the last write, unless it has been done.
func (s *store) finish(ctx context.Context, h *head) error {
	if h.pending == nil {
		return nil
	}
	row, deleted, err := decodeRow(h.table, h.pending)
	if err != nil {
		return err
	}
	have, err := s.versions(ctx, []storage.Op{{Key: row.Key}})
	if err != nil {
		return err
	}
	was, exists := have[row.Key.Key2]
	if was.version >= row.Version {
		return nil
	}
	return s.put(ctx, h.table, []document{{id: pairID(row.Key.Key1, row.Key.Key2), version: row.Version, exists: exists, deleted: deleted, raw: h.pending}})
}

// put does step 5.
func (s *store) put(ctx context.Context, table string, documents []document) error {
	var inserts, others []mongo.WriteModel // apart, so that they go out in few commands
	for i := range documents {
		d := &documents[i]
		older := bson.D{{Key: "_id", Value: d.id}, {Key: "version", Value: bson.D{{Key: "$lt", Value: int64(d.version)}}}}
		switch {
		case d.deleted && s.transactions: // a transaction leaves nothing that could come late
			others = append(others, mongo.NewDeleteOneModel().SetFilter(older))
		case d.exists:
			others = append(others, mongo.NewReplaceOneModel().SetFilter(older).SetReplacement(d.raw))
		default:
			inserts = append(inserts, mongo.NewInsertOneModel().SetDocument(d.raw))
		}
	}
	result, err := s.rows(table).BulkWrite(ctx, append(inserts, others...))
	if !s.transactions {
		if mongo.IsDuplicateKeyError(err) {
			return nil // another one has done it, as when nothing was replaced
		}
		return err
	}
	if err != nil {
		return err
	}
	if done := result.InsertedCount + result.MatchedCount + result.DeletedCount; done != int64(len(documents)) {
		return fmt.Errorf("%d of %d rows of a transaction were found again", done, len(documents))
	}
	return nil
}
