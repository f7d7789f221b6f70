package mallee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"

	"github.com/mallee-io/mallee/storage"
)

// Table is a set of records of an actor, such as the lines of a statement, that
// need not fit into its memory. Each record names its own key, which is the
// key2 of its row; key1 is the actor's. Lists are in the order of the keys.
// For use in the actor's turns.
type Table[R any, K RecordKey] struct {
	self *Self
	name string
	at   storage.Key // of its rows, but for key2
	key  func(*R) K
	// versions of rows that were read or written, so that a record which is
	// read, changed and put is read once.
	versions map[string]uint64
}

// RecordKey is what a record can be named by: text of at most
// storage.MaxKeyLength bytes, or an integer.
type RecordKey interface {
	~string | ~int | ~int32 | ~int64
}

// NewTable declares a table of the actor, in its constructor. Key gives the key
// of a record. Name is unique in the actor type and part of the storage key: do
// not change it, nor what key returns for a record, once there is data.
func NewTable[R any, K RecordKey](self *Self, name string, key func(*R) K) *Table[R, K] {
	id := self.ID()
	return &Table[R, K]{self: self, name: name, key: key, at: storage.Key{Table: "table." + id.Type + "." + name, Key1: id.Key}}
}

// Put writes records, all or none, in the place of those with the same keys.
// When it returns nil they are as durable as the store makes them. A write that
// meets another version or a newer activation is refused and ends the activation.
func (t *Table[R, K]) Put(ctx context.Context, records ...R) error {
	ops := make([]storage.Op, len(records))
	for i := range records {
		value, err := json.Marshal(&records[i])
		if err != nil {
			return ErrInvalid.Errorf("encode record %v: %v", t.key(&records[i]), t.wrap(err))
		}
		if ops[i], err = t.op(ctx, t.key(&records[i])); err != nil {
			return err
		}
		ops[i].Value = value
	}
	return t.write(ctx, ops)
}

// Get reads the record with the key, or ErrNotFound.
func (t *Table[R, K]) Get(ctx context.Context, key K) (record R, err error) {
	row, err := t.self.activation.Store().Get(ctx, t.row(key))
	if errors.Is(err, storage.ErrNotFound) {
		t.remember(key2(key), 0)
		return record, ErrNotFound.Errorf("table %s of %s has no record %v", t.name, t.self.ID(), key)
	}
	if err != nil {
		return record, ErrStorage.Errorf("%v", t.wrap(err))
	}
	t.remember(row.Key.Key2, row.Version)
	return t.decode(row)
}

// Delete removes the records with the keys, all or none; those that are not
// there count as removed.
func (t *Table[R, K]) Delete(ctx context.Context, keys ...K) error {
	var ops []storage.Op
	for _, key := range keys {
		op, err := t.op(ctx, key)
		if err != nil {
			return err
		}
		if op.Version != 0 {
			op.Delete = true
			ops = append(ops, op)
		}
	}
	return t.write(ctx, ops)
}

// List lists the records in the order of their keys. The store is read as the
// loop goes on; after an error it yields no more.
func (t *Table[R, K]) List(ctx context.Context) iter.Seq2[R, error] {
	return t.list(ctx, storage.Range{})
}

// Range lists the records from a key to before another one, in their order.
func (t *Table[R, K]) Range(ctx context.Context, from, to K) iter.Seq2[R, error] {
	if from >= to {
		return func(func(R, error) bool) {}
	}
	return t.list(ctx, storage.Range{From: key2(from), To: key2(to)})
}

func (t *Table[R, K]) list(ctx context.Context, r storage.Range) iter.Seq2[R, error] {
	r.Table, r.Key1 = t.at.Table, t.at.Key1
	return func(yield func(R, error) bool) {
		for row, err := range t.self.activation.Store().List(ctx, r) {
			var record R
			if err != nil {
				err = ErrStorage.Errorf("%v", t.wrap(err))
			} else {
				record, err = t.decode(row)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

func (t *Table[R, K]) decode(row storage.Row) (record R, err error) {
	if err := json.Unmarshal(row.Value, &record); err != nil {
		var none R
		return none, ErrStorage.Errorf("decode record %q into %T: %v", row.Key.Key2, record, t.wrap(err))
	}
	return record, nil
}

// op makes a put of the key over the version that is stored now.
func (t *Table[R, K]) op(ctx context.Context, key K) (storage.Op, error) {
	at := t.row(key)
	version, known := t.versions[at.Key2]
	if !known {
		row, err := t.self.activation.Store().Get(ctx, at)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return storage.Op{}, ErrStorage.Errorf("%v", t.wrap(err))
		}
		version = row.Version
	}
	return storage.Put(at, nil, version), nil
}

func (t *Table[R, K]) write(ctx context.Context, ops []storage.Op) error {
	if len(ops) == 0 {
		return nil
	}
	versions, err := t.self.write(ctx, "table", t.name, ops...)
	if err != nil {
		return err
	}
	for i := range ops {
		t.remember(ops[i].Key.Key2, versions[i])
	}
	return nil
}

// maxVersions bounds what a table remembers.
const maxVersions = 1024

func (t *Table[R, K]) remember(key2 string, version uint64) {
	if t.versions == nil || len(t.versions) >= maxVersions {
		t.versions = make(map[string]uint64)
	}
	t.versions[key2] = version
}

func (t *Table[R, K]) row(key K) storage.Key {
	return storage.Key{Table: t.at.Table, Key1: t.at.Key1, Key2: key2(key)}
}

// key2 spells a record's key as text of the same order: integers as 19 digits,
// negative ones as a minus and their distance from the least one.
func key2[K RecordKey](key K) string {
	v := reflect.ValueOf(key)
	if v.Kind() == reflect.String {
		return v.String()
	}
	if n := v.Int(); n < 0 {
		return fmt.Sprintf("-%019d", uint64(n)-1<<63)
	}
	return fmt.Sprintf("%019d", v.Int())
}

func (t *Table[R, K]) wrap(err error) error {
	return fmt.Errorf("table %s of %s: %w", t.name, t.self.ID(), err)
}
