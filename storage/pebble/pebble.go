// Package pebble is the embedded store: a directory on one machine, for one
// process at a time. A write that has been acknowledged has been fsynced;
// writers that come together share an fsync.
//
// It stands on github.com/cockroachdb/pebble, the storage engine of CockroachDB.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/internal/keys"
)

// Open opens the store in a directory, and makes it where there is none. It
// fails while another process has it open, for a directory that holds
// something else, and for one that a newer version has written.
func Open(dir string) (storage.Store, error) {
	if err := refuseForeign(dir); err != nil {
		return nil, err
	}
	reserve := &ballast{path: filepath.Join(dir, "BALLAST")}
	db, err := pebble.Open(dir, options(reserve))
	if err != nil {
		return nil, openError(dir, err)
	}
	s := &store{db: db, ballast: reserve, seed: maphash.MakeSeed()}
	for _, step := range []func() error{s.checkFormat, s.beginVersions, reserve.fill} {
		if err := step(); err != nil {
			return nil, errors.Join(fmt.Errorf("open store in %s: %w", dir, err), db.Close())
		}
	}
	return s, nil
}

const (
	cacheSize = 64 << 20
	// memTableSize is small so that logs are soon used again: an fsync of a log
	// that does not grow is a quarter cheaper.
	memTableSize = 4 << 20
	// Small tables are merged when there are more of them than the engine's
	// default: an eighth more appends, and reads that are no slower.
	l0Compaction, l0Stop = 8, 24
)

func options(reserve *ballast) *pebble.Options {
	o := &pebble.Options{
		CacheSize:             cacheSize,
		FormatMajorVersion:    pebble.FormatNewest,
		FS:                    vfs.OnDiskFull(vfs.Default, reserve.drop),
		L0CompactionThreshold: l0Compaction,
		L0StopWritesThreshold: l0Stop,
		Logger:                silent{},
		MemTableSize:          memTableSize,
	}
	// Every write asks whether its row is there, mostly for new ones: filters
	// answer that without reading a block.
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

type store struct {
	db      *pebble.DB
	ballast *ballast
	seed    maphash.Seed

	use    sync.RWMutex // held shared while the database is used, exclusively to close it
	closed bool

	version atomic.Uint64 // given out last
	stripes [stripeCount]stripe
}

// enter keeps the store open until s.use.RUnlock.
func (s *store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.use.RLock()
	if s.closed {
		s.use.RUnlock()
		return storage.ErrClosed
	}
	return nil
}

func (s *store) Get(ctx context.Context, key storage.Key) (storage.Row, error) {
	if err := s.enter(ctx); err != nil {
		return storage.Row{}, err
	}
	defer s.use.RUnlock()
	var row storage.Row
	found, err := s.lookup(rowKey(key), func(value []byte) (err error) {
		row, err = decodeRow(key, value)
		return err
	})
	switch {
	case err != nil:
		return storage.Row{}, fmt.Errorf("read %s: %w", key, err)
	case !found:
		return storage.Row{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	}
	return row, nil
}

// lookup decodes what stands under a key of the database, and reports whether
// there is something. The value is gone when decode returns.
func (s *store) lookup(key []byte, decode func(value []byte) error) (found bool, err error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, errors.Join(decode(value), closer.Close())
}

func (s *store) List(ctx context.Context, r storage.Range) iter.Seq2[storage.Row, error] {
	lower, upper := bounds(partitionKey(rowSpace, r.Table, r.Key1), &r)
	return s.read(ctx, lower, upper, r.Limit)
}

func (s *store) Scan(ctx context.Context, from storage.Key) iter.Seq2[storage.Row, error] {
	return s.read(ctx, rowKey(from), []byte{rowSpace + 1}, 0)
}

// read yields the rows between two keys of the database, at most limit unless
// that is 0.
func (s *store) read(ctx context.Context, lower, upper []byte, limit int) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		if err := s.enter(ctx); err != nil {
			yield(storage.Row{}, err)
			return
		}
		defer s.use.RUnlock()
		it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil {
			yield(storage.Row{}, fmt.Errorf("read rows: %w", err))
			return
		}
		defer it.Close() //nolint:errcheck // its error is that of Error
		n := 0
		for ok := it.First(); ok && (limit == 0 || n < limit); ok = it.Next() {
			row, err := readRow(ctx, it)
			if !yield(row, err) || err != nil {
				return
			}
			n++
		}
		if err := it.Error(); err != nil {
			yield(storage.Row{}, fmt.Errorf("read rows: %w", err))
		}
	}
}

func readRow(ctx context.Context, it *pebble.Iterator) (storage.Row, error) {
	if err := ctx.Err(); err != nil {
		return storage.Row{}, err
	}
	key, err := keys.Parse(it.Key()[1:])
	if err != nil {
		return storage.Row{}, err
	}
	return decodeRow(key, it.Value())
}

func (s *store) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.use.RUnlock()
	if len(ops) == 0 {
		return nil, nil
	}
	if err := storage.CheckBatch(epoch, ops); err != nil {
		return nil, err
	}
	if err := s.ballast.full(); err != nil {
		return nil, err
	}
	batch := s.db.NewBatch()
	versions, err := s.write(batch, epoch, ops)
	if err != nil {
		return nil, errors.Join(err, batch.Close())
	}
	// The rows are in memory and in the log's queue; others may go on. Writers
	// that wait here at the same time share an fsync.
	if err := errors.Join(batch.SyncWait(), batch.Close()); err != nil {
		return nil, fmt.Errorf("write %s: %w", ops[0].Key, err)
	}
	return versions, nil
}

func (s *store) Close() error {
	s.use.Lock()
	defer s.use.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.db.Close()
}

// openError says what to do about a directory that does not open.
func openError(dir string, err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("open store in %s: another process has it open; stop that one or choose another directory: %w", dir, err)
	}
	return fmt.Errorf("open store in %s: %w", dir, err)
}

// refuseForeign keeps a store out of a directory with other files.
func refuseForeign(dir string) error {
	entries, err := vfs.Default.List(dir)
	if err != nil || len(entries) == 0 {
		return nil // Open makes it, or says why it cannot
	}
	description, err := pebble.Peek(dir, vfs.Default)
	if err != nil {
		return fmt.Errorf("open store in %s: %w", dir, err)
	}
	ours := func(name string) bool { return name == "LOCK" || name == "BALLAST" } // of a start that did not get further
	if !description.Exists && !slices.ContainsFunc(entries, func(name string) bool { return !ours(name) }) {
		return nil
	}
	if !description.Exists {
		return fmt.Errorf("open store in %s: the directory holds other files and no store; choose an empty one", dir)
	}
	return nil
}

// silent leaves the engine's messages out; its errors come back from calls.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// Fatalf is called when the engine cannot go on, such as after a failed write
// of its log: what it holds in memory is not on disk, so the process must end.
func (silent) Fatalf(format string, args ...any) {
	panic("mallee: the embedded store cannot go on: " + fmt.Sprintf(format, args...))
}
