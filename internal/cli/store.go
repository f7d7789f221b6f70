package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// storeHelp is the part of a help text that explains store URLs.
const storeHelp = `A store is named by a URL:
  pebble:DIR                      the embedded store in a directory
  memory:                         nothing that lasts
`

// openStore opens the store that a URL names.
func openStore(ctx context.Context, address string) (storage.Store, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "pebble":
		return pebble.Open(strings.TrimPrefix(rest, "//"))
	case "memory":
		return storage.Memory(), nil
	}
	return nil, &usageError{fmt.Errorf("no store is named by %q; there are pebble:DIR, etcd://HOST:PORT, postgres://…, mongodb://… and memory: alone", redact(address))}
}

// openExisting is openStore for reading: it makes no new directory.
func openExisting(ctx context.Context, address string) (storage.Store, error) {
	if dir, ok := strings.CutPrefix(address, "pebble:"); ok {
		dir = strings.TrimPrefix(dir, "//")
		if entries, err := os.ReadDir(dir); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		} else if len(entries) == 0 {
			return nil, fmt.Errorf("open store in %s: the directory is empty", dir)
		}
	}
	return openStore(ctx, address)
}

// openData opens the store of a demo: a URL, a directory, or, when there is
// neither, a temporary directory, which the function it returns removes when
// it closes the store.
func openData(ctx context.Context, data string) (s storage.Store, closeStore func() error, err error) {
	remove := func() error { return nil }
	if data == "" {
		if data, err = os.MkdirTemp("", "mallee-"); err != nil {
			return nil, nil, err
		}
		remove = func() error { return os.RemoveAll(data) }
	}
	if scheme, _, ok := strings.Cut(data, ":"); ok && len(scheme) > 1 { // one letter is a drive
		s, err = openStore(ctx, data)
	} else {
		s, err = pebble.Open(data)
	}
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return s, func() error { return errors.Join(s.Close(), remove()) }, nil
}

// redact is a URL without its password.
func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":…"
	}
	return u.Redacted()
}
