package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mallee-io/mallee/storage"
)

// head is what a partition, a table and key1, remembers of its writers. It is
// never deleted. Each write replaces it, on the condition that its version is
// still the one that was read: so writes of a partition come one after the
// other, and a version tells which head it was.
type head struct {
	table, key1 string
	exists      bool
	epoch       uint64
	version     uint64   // the newest that was given to a row, or to a deletion
	pending     bson.Raw // the document of the last write, which may not be in its collection yet; nil after a transaction
}

func (h *head) document() (bson.Raw, error) {
	d := bson.D{
		{Key: "_id", Value: pairID(h.table, h.key1)},
		{Key: "table", Value: h.table},
		{Key: "key1", Value: h.key1},
		{Key: "epoch", Value: int64(h.epoch)},
		{Key: "version", Value: int64(h.version)},
	}
	if h.pending != nil {
		d = append(d, bson.E{Key: "pending", Value: h.pending})
	}
	return bson.Marshal(d)
}

func decodeHead(raw bson.Raw) (head, error) {
	h, err := readHead(raw)
	if err != nil {
		return head{}, damagedHead(raw, err)
	}
	return h, nil
}

func damagedHead(raw bson.Raw, err error) error {
	id, _ := raw.Lookup("_id").StringValueOK()
	return fmt.Errorf("the document with _id %q in collection %s is damaged, or of a newer version of mallee: %w", id, headCollection, err)
}

func readHead(raw bson.Raw) (head, error) {
	f := fields{raw: raw}
	id := f.text("_id")
	h := head{table: f.text("table"), key1: f.text("key1"), exists: true, epoch: f.number("epoch"), version: f.number("version")}
	switch {
	case f.err != nil:
		return h, f.err
	case h.version == 0:
		return h, errors.New("its version is 0")
	case id != pairID(h.table, h.key1):
		return h, fmt.Errorf("its _id is not that of table %q and key1 %q", h.table, h.key1)
	}
	pending, err := raw.LookupErr("pending")
	if err != nil {
		return h, nil //nolint:nilerr // there is none
	}
	var ok bool
	if h.pending, ok = pending.DocumentOK(); !ok {
		return h, errors.New("its field pending is not a document")
	}
	row, _, err := decodeRow(h.table, h.pending)
	if err == nil && row.Key.Key1 != h.key1 {
		err = fmt.Errorf("its field pending is of key1 %q", row.Key.Key1)
	}
	return h, err
}

func (s *store) head(ctx context.Context, key storage.Key) (head, error) {
	raw, err := s.heads().FindOne(ctx, bson.D{{Key: "_id", Value: pairID(key.Table, key.Key1)}}).Raw()
	if err == mongo.ErrNoDocuments {
		return head{table: key.Table, key1: key.Key1}, nil
	}
	if err != nil {
		return head{}, err
	}
	return decodeHead(raw)
}

// swap replaces a head by the next one, or returns errAgain if it is not there
// any more.
func (s *store) swap(ctx context.Context, old *head, next bson.Raw) error {
	if !old.exists {
		_, err := s.heads().InsertOne(ctx, next)
		if mongo.IsDuplicateKeyError(err) {
			return errAgain
		}
		return err
	}
	condition := bson.D{
		{Key: "_id", Value: pairID(old.table, old.key1)},
		{Key: "version", Value: int64(old.version)},
	}
	result, err := s.heads().ReplaceOne(ctx, condition, next)
	if err != nil {
		return err
	}
	if result.MatchedCount == 0 {
		return errAgain
	}
	return nil
}
