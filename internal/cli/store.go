package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/mongodb"
	"github.com/mallee-io/mallee/storage/pebble"
	"github.com/mallee-io/mallee/storage/postgres"
)

// storeHelp is the part of a help text that explains store URLs.
const storeHelp = `A store is named by a URL:
  pebble:DIR                                   the embedded store in a directory
  etcd://[USER:PASSWORD@]HOST:PORT,…[/PREFIX]  etcd; etcds:// with TLS
  postgres://USER:PASSWORD@HOST:PORT/DATABASE  PostgreSQL
  mongodb://USER:PASSWORD@HOST:PORT/DATABASE   MongoDB
  memory:                                      nothing that lasts
`

// openStore opens the store that a URL names.
func openStore(ctx context.Context, address string) (storage.Store, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "pebble":
		return pebble.Open(strings.TrimPrefix(rest, "//"))
	case "memory":
		return storage.Memory(), nil
	case "etcd", "etcds":
		config, err := etcdConfig(scheme, rest)
		if err != nil {
			return nil, &usageError{err}
		}
		return etcd.Open(ctx, config)
	case "postgres", "postgresql":
		return postgres.Open(ctx, address)
	case "mongodb", "mongodb+srv":
		return mongodb.Open(ctx, address)
	}
	return nil, &usageError{fmt.Errorf("no store is named by %q; there are pebble:DIR, etcd://HOST:PORT, postgres://…, mongodb://… and memory: alone", redact(address))}
}

// etcdConfig reads what stands after the scheme.
func etcdConfig(scheme, rest string) (c etcd.Config, err error) {
	rest, prefix, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "/")
	c.Prefix = prefix
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		if c.User, err = url.PathUnescape(user); err == nil {
			c.Password, err = url.PathUnescape(password)
		}
		if err != nil {
			return c, fmt.Errorf("user and password of %s: %w", redact(scheme+"://"+rest), errors.Unwrap(err))
		}
		rest = rest[at+1:]
	}
	for endpoint := range strings.SplitSeq(rest, ",") {
		if scheme == "etcds" {
			endpoint = "https://" + endpoint
		}
		c.Endpoints = append(c.Endpoints, endpoint)
	}
	return c, nil
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

// redact is a URL without its password and its parameters, which may be
// secrets too. It takes several hosts, as package url does not.
func redact(address string) string {
	address, _, _ = strings.Cut(address, "?")
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, _, _ := strings.Cut(authority[:at], ":")
		authority = user + ":xxxxx" + authority[at:]
	}
	return strings.TrimSuffix(scheme+"://"+authority+"/"+path, "/")
}
