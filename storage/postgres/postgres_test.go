package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/postgres"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
	"github.com/mallee-io/mallee/storage/storagetest"
)

// external is the URL of a server to test beside that of this package: of
// another version, or one that only speaks the protocol.
const external = "MALLEE_TEST_POSTGRES_URI"

// shared is started by the first test that needs it.
var (
	running *postgrestest.Server
	shared  = sync.OnceValues(func() (s *postgrestest.Server, err error) {
		running, err = postgrestest.New()
		return running, err
	})
)

func TestMain(m *testing.M) {
	status := m.Run()
	if running != nil {
		if err := running.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// server is the one that the tests share.
func server(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if errors.Is(err, postgrestest.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.URL()
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func exec(t testing.TB, c *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// unique is a name that no other test has.
func unique(prefix string) string { return fmt.Sprintf("%s_%d", prefix, time.Now().UnixNano()) }

// fresh is a schema of its own, as a URL.
func fresh(t testing.TB, server string) string {
	t.Helper()
	schema := unique("mallee_test")
	exec(t, connect(t, server), "CREATE SCHEMA "+schema)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return with(t, server, "search_path", schema)
}

// with sets a parameter of a URL.
func with(t testing.TB, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t testing.TB, url string) storage.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line with %q", err, text)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	suite(t, server(t))
}

func TestExternal(t *testing.T) {
	t.Parallel()
	url := os.Getenv(external)
	if url == "" {
		t.Skip(external + " does not name a server")
	}
	suite(t, url)
}

func suite(t *testing.T, server string) {
	storagetest.Run(t, func(t *testing.T) storagetest.Place {
		url := fresh(t, server)
		return storagetest.Place{Open: func() (storage.Store, error) { return postgres.Open(t.Context(), url) }}
	})
}
