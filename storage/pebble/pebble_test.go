package pebble_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	engine "github.com/cockroachdb/pebble/v2"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
	"github.com/mallee-io/mallee/storage/storagetest"
)

func TestPebble(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storagetest.Place {
		dir := t.TempDir()
		return storagetest.Place{Open: func() (storage.Store, error) { return pebble.Open(dir) }}
	})
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %q", err, text)
	}
}

func TestSecondOpener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pebble.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = pebble.Open(dir)
	wantError(t, err, "open store in "+dir)
	key := storage.Key{Table: "t", Key1: "a"}
	if _, err := s.Apply(t.Context(), 1, storage.PutBytes(key, nil, 0)); err != nil {
		t.Errorf("the first one is disturbed: %v", err)
	}
}

func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	note := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(note, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := pebble.Open(dir)
	wantError(t, err, "holds other files and no store")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("something was written there: %v, %v", entries, err)
	}
}

func withEngine(t *testing.T, dir, key, value string) {
	t.Helper()
	db, err := engine.Open(dir, &engine.Options{Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte(key), []byte(value), engine.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDatabaseOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	withEngine(t, dir, "x", "y")
	_, err := pebble.Open(dir)
	wantError(t, err, "of another program")
}

func TestNewerFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	withEngine(t, dir, "f", "mallee 3")
	_, err := pebble.Open(dir)
	wantError(t, err, `its format is "mallee 3", this version of mallee knows "mallee 2"`)
}

// The first format had no encodings.
func TestOldFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	withEngine(t, dir, "f", "mallee 1")
	withEngine(t, dir, "rstate.Player\x00\x01ann\x00\x01bag", "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x05{}")
	for range 2 { // before and after it has been marked as of today's format
		s, err := pebble.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		row, err := s.Get(t.Context(), storage.Key{Table: "state.Player", Key1: "ann", Key2: "bag"})
		if err != nil || string(row.Value) != "{}" || row.Version != 7 || row.Epoch != 5 || row.Encoding != storage.JSON {
			t.Errorf("%+v, %v", row, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Rows that cannot be are errors, whoever meets them.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	at := storage.Key{Table: "t", Key1: "a", Key2: "b"}
	const row, head = "rt\x00\x01a\x00\x01b", "ht\x00\x01a\x00\x01"
	get := func(s storage.Store) error { _, err := s.Get(t.Context(), at); return err }
	put := func(s storage.Store) error {
		_, err := s.Apply(t.Context(), 1, storage.Put(at, []byte("1"), 0))
		return err
	}
	list := func(s storage.Store) error {
		for _, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
			return err
		}
		return nil
	}
	scan := func(s storage.Store) error {
		for _, err := range s.Scan(t.Context(), storage.Key{}) {
			return err
		}
		return nil
	}
	for name, test := range map[string]struct {
		key, value string
		do         []func(storage.Store) error
	}{
		"short row":          {row, "\x00\x00\x00", []func(storage.Store) error{get, put, list, scan}},
		"head of no epoch":   {head, "\x00\x00\x00", []func(storage.Store) error{put}},
		"key without an end": {"rt\x00\x01a", string(make([]byte, 16)), []func(storage.Store) error{scan}},
		"key with half one":  {"rt\x00", string(make([]byte, 16)), []func(storage.Store) error{scan}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			withEngine(t, dir, "f", "mallee 2")
			withEngine(t, dir, test.key, test.value)
			s, err := pebble.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, do := range test.do {
				wantError(t, do(s), "the store is damaged")
			}
		})
	}
	dir := t.TempDir()
	withEngine(t, dir, "f", "mallee 2")
	withEngine(t, dir, "v", "x")
	_, err := pebble.Open(dir)
	wantError(t, err, "the store is damaged")
}

func TestDamagedDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pebble.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("%v, %v", manifests, err)
	}
	if err := os.WriteFile(manifests[0], []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = pebble.Open(dir)
	wantError(t, err, "open store in "+dir)
}

func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := pebble.Open(file)
	wantError(t, err, "open store in "+file)
}
