package postgres_test

import (
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/postgres"
)

func TestNewerTables(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	c := connect(t, url)
	exec(t, c, `CREATE TABLE mallee_format (version int)`)
	exec(t, c, `INSERT INTO mallee_format VALUES (2)`)
	_, err := postgres.Open(t.Context(), url)
	wantError(t, err, "its tables are of version 2, this version of mallee knows 1")
	var tables int
	if err := c.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()`).Scan(&tables); err != nil || tables != 1 {
		t.Errorf("something was written there: %d tables, %v", tables, err)
	}
}

func TestDamagedFormat(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	if err := open(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	exec(t, connect(t, url), `DELETE FROM mallee_format`)
	_, err := postgres.Open(t.Context(), url)
	wantError(t, err, "mallee_format does not hold one version")
}

func TestForeignTables(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	exec(t, connect(t, url), `CREATE TABLE mallee_rows (precious text)`)
	_, err := postgres.Open(t.Context(), url)
	wantError(t, err, `relation "mallee_rows" already exists`)
	var exists bool
	if err := connect(t, url).QueryRow(t.Context(), `SELECT to_regclass('mallee_format') IS NOT NULL`).Scan(&exists); err != nil || exists {
		t.Errorf("half of the tables were made: %v, %v", exists, err)
	}
}

func TestOpenTogether(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := postgres.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	open(t, url)
}

// Whoever may not make tables can use them.
func TestOpenWithoutRights(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	k := storage.Key{Table: "t", Key1: "a"}
	if _, err := open(t, url).Apply(t.Context(), 1, storage.Put(k, []byte("1"), 0)); err != nil {
		t.Fatal(err)
	}
	s := open(t, with(t, url, "default_transaction_read_only", "on"))
	if _, err := s.Get(t.Context(), k); err != nil {
		t.Error(err)
	}
}

// The query of the package's documentation.
func TestQueryOfOnesOwn(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	s := open(t, url)
	k := storage.Key{Table: "state.Player", Key1: "ann", Key2: "state"}
	if _, err := s.Apply(t.Context(), 1, storage.Put(k, []byte(`{"level":7}`), 0)); err != nil {
		t.Fatal(err)
	}
	var player, level string
	err := connect(t, url).QueryRow(t.Context(), `
		SELECT convert_from(p.key1, 'UTF8') AS player, r.document->>'level' AS level
		FROM mallee_rows r JOIN mallee_partitions p ON p.id = r.partition_id
		WHERE p.table_name = 'state.Player'`).Scan(&player, &level)
	if err != nil || player != "ann" || level != "7" {
		t.Errorf("%s has level %s, %v", player, level, err)
	}
}
