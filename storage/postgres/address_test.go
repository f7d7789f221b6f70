package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/postgres"
)

func TestWrongAddress(t *testing.T) {
	t.Parallel()
	// A port that is free, and a server that never answers.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for name, c := range map[string]struct {
		url, want string
		away      bool
	}{
		"another scheme": {"mysql://u:sesame@host/db", "postgres://user:password@host:port/database", false},
		"no URL":         {"postgres://u:ses ame/x@host:1/db", "write special characters of the password as %XX", false},
		"slash":          {"postgres://u:ses/ame@host:1/db", "write special characters of the password as %XX", false},
		"parameter":      {"postgres://u:sesame@host/db?sslmode=perhaps", "sslmode is invalid", false},
		"pool":           {"postgres://u:sesame@host/db?pool_max_conns=many", "pool_max_conns", false},
		"nobody there":   {"postgres://u:sesame@" + closed + "/db", `PostgreSQL database "db" on ` + closed, true},
		"no answer":      {"postgres://u:sesame@" + mute.Addr().String() + "/db?connect_timeout=1", `PostgreSQL database "db" on ` + mute.Addr().String(), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := postgres.Open(ctx, c.url)
			wantError(t, err, c.want)
			if errors.Is(err, storage.ErrUnavailable) != c.away {
				t.Error(err)
			}
			if err != nil && (strings.Contains(err.Error(), "ses") || strings.Contains(err.Error(), "ame/x")) {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	right, err := url.Parse(server(t))
	if err != nil {
		t.Fatal(err)
	}
	wrongPassword, wrongDatabase := *right, *right
	wrongPassword.User = url.UserPassword(right.User.Username(), "sesame")
	wrongDatabase.Path = "/nowhere"
	password, _ := right.User.Password()
	for _, u := range []url.URL{wrongPassword, wrongDatabase} {
		// Waiting does not mend it, so the context has no end.
		_, err := postgres.Open(t.Context(), u.String())
		wantError(t, err, "check user, password and database in the URL")
		if !errors.Is(err, storage.ErrUnavailable) || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), password) {
			t.Error(err)
		}
	}
}

// A password that is changed under an open store.
func TestCredentialsChange(t *testing.T) {
	t.Parallel()
	plain := server(t)
	c := connect(t, plain)
	role := unique("role")
	exec(t, c, `CREATE ROLE `+role+` LOGIN PASSWORD 'first'`)
	u, err := url.Parse(fresh(t, plain))
	if err != nil {
		t.Fatal(err)
	}
	exec(t, c, `GRANT ALL ON SCHEMA `+u.Query().Get("search_path")+` TO `+role)
	u.User = url.UserPassword(role, "first")
	s := open(t, u.String())
	exec(t, c, `ALTER ROLE `+role+` PASSWORD 'second'`)
	exec(t, c, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1`, role)
	k := storage.Key{Table: "t", Key1: "a"}
	_, err = s.Apply(t.Context(), 1, storage.Put(k, []byte("1"), 0))
	wantError(t, err, "password authentication failed")
	_, err = s.Get(t.Context(), k)
	wantError(t, err, "password authentication failed")
	exec(t, c, `ALTER ROLE `+role+` PASSWORD 'first'`)
	if _, err = s.Apply(t.Context(), 1, storage.Put(k, []byte("1"), 0)); err != nil {
		t.Error(err)
	}
}
