package pebble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/mallee-io/mallee/storage"
)

// ballast is a file that takes space while there is some. When the disk is
// full it goes, so that the engine can finish what it has begun; the store
// then takes no more writes until it is opened again with space for another.
type ballast struct {
	path    string
	dropped atomic.Bool
}

// ballastSize is what the engine needs to write out what it holds in memory:
// two tables, and some more.
const ballastSize = 3 * memTableSize

// fill takes the space, unless an earlier start has.
func (b *ballast) fill() error {
	if info, err := os.Stat(b.path); err == nil && info.Size() == ballastSize {
		return nil
	}
	// Zeros are written, not skipped: a hole would take no space.
	if err := os.WriteFile(b.path, make([]byte, ballastSize), 0o600); err != nil {
		return errors.Join(fmt.Errorf("reserve %d MiB for a full disk: %w", ballastSize>>20, err), os.Remove(b.path))
	}
	return nil
}

// drop is called by the engine's file system when a write finds no space. The
// write is tried again afterwards.
func (b *ballast) drop() {
	if b.dropped.CompareAndSwap(false, true) {
		_ = os.Remove(b.path) // if that fails the write will, and says so
	}
}

// full is an ErrFull once the disk has been full.
func (b *ballast) full() error {
	if !b.dropped.Load() {
		return nil
	}
	return fmt.Errorf("%w: free space on the disk of %s and start again", storage.ErrFull, filepath.Dir(b.path))
}
