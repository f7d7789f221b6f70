package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	engine "github.com/cockroachdb/pebble/v2"
)

// event is what Mallee stores for one.
var event = []byte(`{"event":"deposited","version":1,"data":{"Amount":1,"By":"somebody"}}`)

// pebbleSetSync is the storage engine alone: what an append cannot be faster
// than, as it writes a row and waits for the fsync, which it shares.
type pebbleSetSync struct{ started }

func (pebbleSetSync) Appends(_ context.Context, dir string) (func(caller int) func() error, func() error, error) {
	db, err := engine.Open(dir, &engine.Options{Logger: noLog{}})
	if err != nil {
		return nil, nil, err
	}
	return func(caller int) func() error {
		key := fmt.Appendf(nil, "journal/ledger/%d/........", caller)
		n := uint64(0)
		return func() error {
			n++
			binary.BigEndian.PutUint64(key[len(key)-8:], n)
			return db.Set(key, event, engine.Sync)
		}
	}, db.Close, nil
}

type noLog struct{}

func (noLog) Infof(string, ...any)  {}
func (noLog) Errorf(string, ...any) {}
func (noLog) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

// fdatasync appends to a file and syncs it each time: the disk alone.
type fdatasync struct{ started }

func (fdatasync) Appends(_ context.Context, dir string) (func(caller int) func() error, func() error, error) {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return func(int) func() error {
		return func() error {
			if _, err := f.Write(event); err != nil {
				return err
			}
			return syncData(f)
		}
	}, f.Close, nil
}
