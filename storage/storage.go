// Package storage is the contract between actors and the place where their
// data lives: rows under (table, key1, key2), each with a version and the
// epoch of the activation that wrote it.
//
// There is no unconditional write. A put or delete names the version that its
// writer has read, and the epoch of the writer: a store refuses an older epoch
// than it has seen under the same table and key1 (ErrFenced) and any other
// version than the one it holds (ErrConflict). So an activation that has lost
// its actor, and does not know it yet, cannot harm the data.
package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"unicode/utf8"
)

// Store keeps rows. Its methods are safe for concurrent use.
type Store interface {
	// Get reads a row, or ErrNotFound.
	Get(ctx context.Context, key Key) (Row, error)
	// List yields the rows of a range in the order of key2, byte by byte. It
	// is no snapshot: of rows that are written meanwhile it may yield the old
	// or the new state, each at most once. After an error it yields no more.
	List(ctx context.Context, r Range) iter.Seq2[Row, error]
	// Scan yields every row at or after a key, in the order of table, key1 and
	// key2, byte by byte, as List does. It is for tools: a store may be slow
	// at it, but it finds the first row without reading those before it.
	Scan(ctx context.Context, from Key) iter.Seq2[Row, error]
	// Apply does all ops or none. They must be of one table and key1. It
	// returns the new version of each row, 0 for deleted ones, once they are
	// durable. WasRefused tells of an error whether nothing was written;
	// otherwise that is not known.
	Apply(ctx context.Context, epoch uint64, ops ...Op) (versions []uint64, err error)
	// Close releases what the store holds. Calls after it fail.
	Close() error
}

// Key addresses a row. All three are UTF-8 text of at most MaxKeyLength bytes.
// Key2 may be empty.
type Key struct{ Table, Key1, Key2 string }

// MaxKeyLength bounds each part of a key, in bytes. Table names are made by
// the program and at most MaxTableLength long.
const (
	MaxKeyLength   = 4096
	MaxTableLength = 128
)

// Compare is the order in which Scan yields keys.
func (k Key) Compare(o Key) int {
	return cmp.Or(strings.Compare(k.Table, o.Table), strings.Compare(k.Key1, o.Key1), strings.Compare(k.Key2, o.Key2))
}

// Encoding says what the bytes of a value are, so that databases can show them
// to their own tools.
type Encoding uint8

// Encodings of values.
const (
	// JSON is one JSON value. It comes back equal, its numbers exactly, but a
	// store may change white space, escapes and the order of an object's
	// members, and keeps only the last of members with the same name.
	JSON Encoding = iota
	// Bytes come back as they are.
	Bytes
)

func (k Key) String() string {
	if k.Key2 == "" {
		return fmt.Sprintf("%s/%q", k.Table, k.Key1)
	}
	return fmt.Sprintf("%s/%q/%q", k.Table, k.Key1, k.Key2)
}

// Range selects rows of one table and key1 by their key2.
type Range struct {
	Table, Key1 string
	Prefix      string // that key2 begins with
	From        string // the least key2
	To          string // key2 ends before it; empty: at the end
	Limit       int    // at most so many rows; 0: all
}

// Contains reports whether a key2 is in the range.
func (r *Range) Contains(key2 string) bool {
	return strings.HasPrefix(key2, r.Prefix) && key2 >= r.From && (r.To == "" || key2 < r.To)
}

// Row is what a store holds under a key.
type Row struct {
	Key      Key
	Value    []byte
	Encoding Encoding
	Version  uint64 // grows with each write under its table and key1; never 0
	Epoch    uint64 // of the last writer; below 1<<63
}

// Op is one conditional write.
type Op struct {
	Key      Key
	Value    []byte
	Encoding Encoding
	Version  uint64 // the version that the row must have now; 0: it must not exist
	Delete   bool
}

// Put writes JSON to a row that has the given version now, 0 for a new row.
func Put(key Key, json []byte, version uint64) Op {
	return Op{Key: key, Value: json, Version: version}
}

// PutBytes is Put for a value that is not JSON.
func PutBytes(key Key, value []byte, version uint64) Op {
	return Op{Key: key, Value: value, Encoding: Bytes, Version: version}
}

// Delete removes a row that has the given version now.
func Delete(key Key, version uint64) Op { return Op{Key: key, Version: version, Delete: true} }

// CheckBatch reports, as an ErrInvalid, why ops cannot be a batch. Backends
// call it first.
func CheckBatch(epoch uint64, ops []Op) error {
	if epoch > math.MaxInt64 {
		return fmt.Errorf("%w: epoch %d is not below 1<<63", ErrInvalid, epoch)
	}
	for i := range ops {
		op := &ops[i]
		if err := op.Key.check(); err != nil {
			return err
		}
		if op.Key.Table != ops[0].Key.Table || op.Key.Key1 != ops[0].Key.Key1 {
			return fmt.Errorf("%w: batch spans %s and %s: one batch is one table and key1", ErrInvalid, ops[0].Key, op.Key)
		}
		if !op.Delete && op.Encoding == JSON && !json.Valid(op.Value) {
			return fmt.Errorf("%w: the value for %s is not JSON", ErrInvalid, op.Key)
		}
	}
	if len(ops) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(ops))
	for i := range ops {
		if seen[ops[i].Key.Key2] {
			return fmt.Errorf("%w: batch writes %s twice", ErrInvalid, ops[i].Key)
		}
		seen[ops[i].Key.Key2] = true
	}
	return nil
}

func (k *Key) check() error {
	switch {
	case k.Table == "" || k.Key1 == "":
		return fmt.Errorf("%w: %s has no table or no key1", ErrInvalid, k)
	case len(k.Table) > MaxTableLength || len(k.Key1) > MaxKeyLength || len(k.Key2) > MaxKeyLength:
		return fmt.Errorf("%w: the key %.60s… is too long: a table has at most %d bytes, a key %d", ErrInvalid, k, MaxTableLength, MaxKeyLength)
	case !utf8.ValidString(k.Table) || !utf8.ValidString(k.Key1) || !utf8.ValidString(k.Key2):
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, k)
	}
	return nil
}

// CheckVersion refuses an op, as a ConflictError, whose row does not have the
// version that its writer has read; have is 0 for a row that is not there.
func (o *Op) CheckVersion(have uint64) error {
	if have != o.Version || o.Delete && have == 0 {
		return &ConflictError{Key: o.Key, Have: have, Want: o.Version}
	}
	return nil
}

// Sentinels for errors.Is.
var (
	ErrNotFound    = errors.New("row not found")
	ErrConflict    = errors.New("row has another version")
	ErrFenced      = errors.New("a newer epoch has written")
	ErrInvalid     = errors.New("invalid write")
	ErrTooLarge    = errors.New("more than the store takes at once")
	ErrClosed      = errors.New("store is closed")
	ErrFull        = errors.New("store is full")               // reading goes on
	ErrUnavailable = errors.New("store cannot be reached now") // a write may have been done
)

// WasRefused reports whether a failed Apply has certainly written nothing.
func WasRefused(err error) bool {
	for _, refusal := range []error{ErrConflict, ErrFenced, ErrInvalid, ErrTooLarge, ErrClosed, ErrFull} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// ConflictError is an ErrConflict that tells both versions.
type ConflictError struct {
	Key        Key
	Have, Want uint64 // the version in the store, 0 for none, and the one that the writer named
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s has version %d, the writer read %d", e.Key, e.Have, e.Want)
}

// Is makes it an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// FencedError is an ErrFenced that tells both epochs.
type FencedError struct {
	Key        Key
	Have, Want uint64 // the newest epoch in the store and the writer's
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("%s was written in epoch %d, the writer is of epoch %d", e.Key, e.Have, e.Want)
}

// Is makes it an ErrFenced.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }
