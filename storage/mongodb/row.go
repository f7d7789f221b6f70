package mongodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage"
)

// maxDocument is what a server takes as one document.
const maxDocument = 16 << 20

// document is a row to be written:
//
//	_id      key1 and key2, see pairID
//	key1, key2, version, epoch
//	value    JSON as BSON, or
//	json     JSON as text, where BSON cannot hold it exactly, or
//	bytes    what is not JSON, or
//	deleted  true: the row is gone. It stays so that a late write of an older
//	         version finds a newer one, see apply.go
type document struct {
	id      string
	version uint64
	exists  bool // there is a document with this _id already
	deleted bool
	raw     bson.Raw
}

func newDocument(op *storage.Op, version, epoch uint64, exists bool) (document, error) {
	id := pairID(op.Key.Key1, op.Key.Key2)
	raw, err := bson.Marshal(bson.D{
		{Key: "_id", Value: id},
		{Key: "key1", Value: op.Key.Key1},
		{Key: "key2", Value: op.Key.Key2},
		{Key: "version", Value: int64(version)},
		{Key: "epoch", Value: int64(epoch)},
		content(op),
	})
	if err != nil {
		return document{}, fmt.Errorf("encode %s: %w", op.Key, err)
	}
	return document{id: id, version: version, exists: exists, deleted: op.Delete, raw: raw}, nil
}

func content(op *storage.Op) bson.E {
	if op.Delete {
		return bson.E{Key: "deleted", Value: true}
	}
	if op.Encoding == storage.Bytes {
		return bson.E{Key: "bytes", Value: bson.Binary{Data: op.Value}}
	}
	if value, ok := toBSON(op.Value); ok {
		return bson.E{Key: "value", Value: value}
	}
	if utf8.Valid(op.Value) {
		return bson.E{Key: "json", Value: string(op.Value)}
	}
	return bson.E{Key: "json", Value: bson.Binary{Data: op.Value}} // JSON may hold what is not UTF-8, BSON's texts may not
}

// decodeRow reads what newDocument has made.
func decodeRow(table string, raw bson.Raw) (row storage.Row, deleted bool, err error) {
	row, deleted, err = readRow(table, raw)
	if err != nil {
		id, _ := raw.Lookup("_id").StringValueOK()
		return storage.Row{}, false, fmt.Errorf("the document with _id %q in collection %s is damaged, or of a newer version of mallee: %w", id, collectionName(table), err)
	}
	return row, deleted, nil
}

func readRow(table string, raw bson.Raw) (row storage.Row, deleted bool, err error) {
	f := fields{raw: raw}
	id := f.text("_id")
	row.Key = storage.Key{Table: table, Key1: f.text("key1"), Key2: f.text("key2")}
	row.Version = f.number("version")
	row.Epoch = f.number("epoch")
	if f.err != nil {
		return row, false, f.err
	}
	if row.Version == 0 {
		return row, false, errors.New("its version is 0")
	}
	if id != pairID(row.Key.Key1, row.Key.Key2) {
		return row, false, fmt.Errorf("its _id is not that of key1 %q and key2 %q", row.Key.Key1, row.Key.Key2)
	}
	if gone, ok := raw.Lookup("deleted").BooleanOK(); ok && gone {
		return row, true, nil
	}
	row.Value, row.Encoding, err = readContent(raw)
	return row, false, err
}

func readContent(raw bson.Raw) ([]byte, storage.Encoding, error) {
	if v, err := raw.LookupErr("value"); err == nil {
		value, err := fromBSON(nil, v)
		return value, storage.JSON, err
	}
	if v, err := raw.LookupErr("json"); err == nil {
		text, ok := v.StringValueOK()
		value := []byte(text)
		if !ok {
			_, value, _ = v.BinaryOK()
		}
		if !json.Valid(value) {
			return nil, 0, errors.New("its field json is not JSON")
		}
		return bytes.Clone(value), storage.JSON, nil
	}
	if _, value, ok := raw.Lookup("bytes").BinaryOK(); ok {
		return bytes.Clone(value), storage.Bytes, nil
	}
	return nil, 0, errors.New("it has no field value, json or bytes of the right type")
}

// fields reads a document and remembers the first error.
type fields struct {
	raw bson.Raw
	err error
}

func (f *fields) text(name string) string {
	text, ok := f.raw.Lookup(name).StringValueOK()
	if !ok {
		f.fail(name, "text")
	}
	return text
}

// number reads a version or an epoch.
func (f *fields) number(name string) uint64 {
	v := f.raw.Lookup(name)
	if v.Type != bson.TypeInt64 && v.Type != bson.TypeInt32 || v.AsInt64() < 0 {
		f.fail(name, "whole number of at least 0")
		return 0
	}
	return uint64(v.AsInt64())
}

func (f *fields) fail(name, kind string) {
	if f.err == nil {
		f.err = fmt.Errorf("its field %s is not a %s", name, kind)
	}
}
