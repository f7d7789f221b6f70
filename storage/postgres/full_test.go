package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

// A disk that is full where the rows are. The server's log is elsewhere, so it
// goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	dir, err := os.MkdirTemp("", "mallee-small-") //nolint:usetesting // the server runs as a user whom t.TempDir keeps out
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) error {
		out, err := osexec.Command(name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	if err := run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir); err != nil {
		_ = os.Remove(dir)
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = errors.Join(run("umount", dir), os.Remove(dir)) })
	c := connect(t, url)
	var data string
	if err := c.QueryRow(t.Context(), `SHOW data_directory`).Scan(&data); err != nil {
		t.Fatal(err)
	}
	space := filepath.Join(dir, "space")
	if err := errors.Join(os.Mkdir(space, 0o700), os.Chmod(dir, 0o755), run("chown", "--reference", data, space)); err != nil {
		t.Fatal(err)
	}
	exec(t, c, `CREATE TABLESPACE small LOCATION '`+space+`'`)
	s := open(t, url)
	exec(t, c, `ALTER TABLE mallee_rows SET TABLESPACE small`)
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
	wantError(t, err, "store is full: PostgreSQL database")
	if !errors.Is(err, storage.ErrFull) || !storage.WasRefused(err) {
		t.Errorf("after %d rows: %v", acknowledged, err)
	}
	for i := range acknowledged {
		if _, err := s.Get(t.Context(), row(i)); err != nil {
			t.Fatalf("row %d of %d is lost: %v", i, acknowledged, err)
		}
	}
	if _, err := s.Get(t.Context(), row(acknowledged)); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the refused row: %v", err)
	}
	exec(t, c, `ALTER TABLE mallee_rows SET TABLESPACE pg_default`)
	if _, err = s.Apply(t.Context(), 1, storage.PutBytes(row(acknowledged), value, 0)); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	exec(t, c, `DROP TABLESPACE small`)
}
