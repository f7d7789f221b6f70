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
)

// Store keeps rows. Its methods are safe for concurrent use.
type Store interface {
	// Get reads a row, or ErrNotFound.
	Get(ctx context.Context, key Key) (Row, error)
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

// Sentinels for errors.Is.
var (
	ErrNotFound = errors.New("row not found")
	ErrConflict = errors.New("row has another version")
	ErrFenced   = errors.New("a newer epoch has written")
	ErrClosed   = errors.New("store is closed")
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
