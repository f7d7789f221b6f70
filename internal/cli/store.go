package cli

import (
	"errors"
	"os"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// openData opens the embedded store in a directory. Without one it takes a
// temporary directory, which the function it returns removes when it closes
// the store.
func openData(dir string) (s storage.Store, closeStore func() error, err error) {
	remove := func() error { return nil }
	if dir == "" {
		if dir, err = os.MkdirTemp("", "mallee-"); err != nil {
			return nil, nil, err
		}
		remove = func() error { return os.RemoveAll(dir) }
	}
	if s, err = pebble.Open(dir); err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return s, func() error { return errors.Join(s.Close(), remove()) }, nil
}
