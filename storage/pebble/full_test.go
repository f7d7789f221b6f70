package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// smallDisk is a file system of so many MiB, and a way to make it larger.
func smallDisk(t *testing.T, size int) (dir string, grow func(size int)) {
	t.Helper()
	dir = t.TempDir()
	mount := func(options string) error {
		out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return nil
	}
	if err := mount(fmt.Sprintf("size=%dm", size)); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	return dir, func(size int) {
		t.Helper()
		if err := mount(fmt.Sprintf("remount,size=%dm", size)); err != nil {
			t.Fatal(err)
		}
	}
}

// A store on a disk that cannot be written is refused, and can be read again
// when it can.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir, _ := smallDisk(t, 160)
	at := storage.Key{Table: "t", Key1: "a"}
	s, err := pebble.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), 1, storage.Put(at, []byte("1"), 0)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remount := func(how string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,"+how, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	remount("ro")
	_, err = pebble.Open(dir)
	wantError(t, err, "open store in "+dir)
	wantError(t, err, "read-only file system")
	remount("rw")
	if s, err = pebble.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if row, err := s.Get(t.Context(), at); err != nil || string(row.Value) != "1" {
		t.Errorf("%s, %v", row.Value, err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir, grow := smallDisk(t, 160)
	s, err := pebble.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 64<<10) // that cannot be compressed
	random := rand.New(rand.NewPCG(1, 1))
	for i := range value {
		value[i] = byte(random.Uint32())
	}
	row := func(i int) storage.Key { return storage.Key{Table: "t", Key1: fmt.Sprint(i)} }
	acknowledged := 0
	for ; ; acknowledged++ {
		if _, err = s.Apply(t.Context(), 1, storage.PutBytes(row(acknowledged), value, 0)); err != nil {
			break
		}
	}
	if !errors.Is(err, storage.ErrFull) {
		t.Fatalf("after %d rows: %v", acknowledged, err)
	}
	readAll := func() {
		t.Helper()
		for i := range acknowledged {
			if got, err := s.Get(t.Context(), row(i)); err != nil || !bytes.Equal(got.Value, value) {
				t.Fatalf("row %d of %d is lost: %v", i, acknowledged, err)
			}
		}
		if _, err := s.Get(t.Context(), row(acknowledged)); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("the refused row: %v", err)
		}
	}
	readAll()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	grow(400)
	if s, err = pebble.Open(dir); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	defer s.Close()
	readAll()
	if _, err := s.Apply(t.Context(), 1, storage.PutBytes(row(acknowledged), value, 0)); err != nil {
		t.Errorf("with space again: %v", err)
	}
}
