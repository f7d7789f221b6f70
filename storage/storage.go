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
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// Store keeps rows. Its methods are safe for concurrent use.
type Store interface {
	// Get reads a row, or ErrNotFound.
	Get(ctx context.Context, key Key) (Row, error)
	// List yields the rows of a range in the order of key2, byte by byte. It
	// is no snapshot: of rows that are written meanwhile it may yield the old
	// or the new state, each at most once. After an error it yields no more.
	List(ctx context.Context, r Range) iter.Seq2[Row, error]
	// Apply does all ops or none. They must be of one table and key1. It
	// returns the new version of each row, 0 for deleted ones, once they are
	// durable. After an error other than ErrConflict and ErrFenced it is not
	// known whether they were done.
	Apply(ctx context.Context, epoch uint64, ops ...Op) (versions []uint64, err error)
	// Close releases what the store holds. Calls after it fail.
	Close() error
}

// Key addresses a row. Key2 may be empty.
type Key struct{ Table, Key1, Key2 string }

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
	Key     Key
	Value   []byte
	Version uint64 // grows with each write; never 0
	Epoch   uint64 // of the last writer
}

// Op is one conditional write.
type Op struct {
	Key     Key
	Value   []byte
	Version uint64 // the version that the row must have now; 0: it must not exist
	Delete  bool
}

// Put writes a row that has the given version now, 0 for a new row.
func Put(key Key, value []byte, version uint64) Op {
	return Op{Key: key, Value: value, Version: version}
}

// Delete removes a row that has the given version now.
func Delete(key Key, version uint64) Op { return Op{Key: key, Version: version, Delete: true} }

// CheckBatch reports why ops cannot be one batch. Backends call it first.
func CheckBatch(ops []Op) error {
	seen := make(map[string]bool, len(ops))
	for _, op := range ops {
		if op.Key.Table != ops[0].Key.Table || op.Key.Key1 != ops[0].Key.Key1 {
			return fmt.Errorf("batch spans %s and %s: one batch is one table and key1", ops[0].Key, op.Key)
		}
		if seen[op.Key.Key2] {
			return fmt.Errorf("batch writes %s twice", op.Key)
		}
		seen[op.Key.Key2] = true
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
	ErrNotFound = errors.New("row not found")
	ErrConflict = errors.New("row has another version")
	ErrFenced   = errors.New("a newer epoch has written")
	ErrClosed   = errors.New("store is closed")
	ErrFull     = errors.New("store is full") // nothing was written; reading goes on
)

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
