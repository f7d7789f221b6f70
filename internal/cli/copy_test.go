package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
	"github.com/mallee-io/mallee/storage/pebble"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

// Rows go from store to store, whatever each makes of JSON, and come back as
// they were.
func TestCopyBetweenStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := "pebble:" + filepath.Join(dir, "first")
	s, err := pebble.Open(filepath.Join(dir, "first"))
	if err != nil {
		t.Fatal(err)
	}
	const rows = 300
	for i := range rows {
		k := storage.Key{Table: fmt.Sprint("t", i%4), Key1: fmt.Sprintf("key\x00%d", i%7), Key2: fmt.Sprint(i)}
		op := storage.Put(k, fmt.Appendf(nil, `{"n":%d.50,"text":"a\u0000b <%d>","list":[1e3,null,{}]}`, i, i), 0)
		if i%3 == 0 {
			op = storage.PutBytes(k, []byte{0, byte(i), 0xff}, 0)
		}
		if _, err := s.Apply(t.Context(), uint64(i/50), op); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stores := []string{first, "etcd://" + strings.Join(etcdtest.Start(t).Endpoints(), ",") + "/copy/"}
	if server, err := postgrestest.New(); err == nil {
		t.Cleanup(func() { _ = server.Close() })
		stores = append(stores, server.URL())
	} else {
		t.Logf("without PostgreSQL: %v", err)
	}
	stores = append(stores, "pebble:"+filepath.Join(dir, "last"))
	for i, to := range stores[1:] {
		code, stdout, stderr := run(t, "storage", "copy", stores[i], to, "--json")
		var sum map[string]int
		if err := json.Unmarshal([]byte(stdout), &sum); err != nil || code != 0 || sum["copied"] != rows || sum["verified"] != rows {
			t.Fatalf("to %s: %d, %s, %s", to, code, stdout, stderr)
		}
	}
	if code, stdout, stderr := run(t, "storage", "copy", first, stores[len(stores)-1], "--json"); code != 0 || !strings.Contains(stdout, fmt.Sprintf(`"same":%d`, rows)) {
		t.Errorf("the last store is not like the first: %s, %s", stdout, stderr)
	}
}
