package mongodb_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
	"github.com/mallee-io/mallee/storage/mongodb/mongotest"
)

// TestMongoDB needs a real server; the module in ferrettest runs the same
// tests without one.
func TestMongoDB(t *testing.T) {
	t.Parallel()
	uri := os.Getenv("MALLEE_TEST_MONGODB_URI")
	if uri == "" {
		t.Skip("MALLEE_TEST_MONGODB_URI is not set to a server such as mongodb://127.0.0.1:27017/?directConnection=true")
	}
	mongotest.Run(t, mongotest.Server{URI: uri, Transactions: mongotest.HasTransactions(t, uri)})
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{
		"mongodb://ann:secret@127.0.0.1:1/game",
		"mongodb://ann:secret@127.0.0.1:1,127.0.0.1:2/?replicaSet=rs0",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := mongodb.Open(ctx, uri)
		cancel()
		if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", uri, err)
		}
		harmless(t, err)
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"":                                    "address of MongoDB is not valid",
		"localhost":                           "scheme must be",
		"postgres://localhost/db":             "scheme must be",
		"mongodb://":                          "is not valid",
		"mongodb://ann:se@cret@localhost/db":  "written as %40",
		"mongodb://ann:secret%zz@localhost":   "written as %40",
		"mongodb://ann:secret@local:host:1/":  "written as %40",
		"mongodb://ann:secret/x@localhost/db": "is not valid",
		"ann:secret@localhost":                "is not valid",
		"mongodb://localhost/a%zz":            "is not valid",
		"mongodb://localhost/?authMechanism=MONGODB-X509&tls=no": "is not valid",
	} {
		_, err := mongodb.Open(t.Context(), uri)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", uri, err, want)
			continue
		}
		harmless(t, err)
	}
}

func TestDatabaseName(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"mongodb://localhost":                          "",
		"mongodb://localhost/?w=1":                     "",
		"mongodb://localhost/game":                     "game",
		"mongodb://a:1,b:2/game?authSource=admin&x=/y": "game",
		"mongodb://ann:se?cret@localhost/game":         "game",
		"mongodb+srv://ann:secret@cluster.net/game":    "game",
	} {
		if got := mongodb.PathOf(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

func harmless(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, "cret") || strings.Contains(text, "\n") {
		t.Errorf("more than one line, or a password: %s", text)
	}
}

func TestTransactionsOrNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setName, msg string
		ferretDB2    []byte
		want         bool
	}{
		{"", "", nil, false},
		{"rs0", "", nil, true},
		{"", "isdbgrid", nil, true},
		{"rs0", "", []byte{5, 0, 0, 0, 0}, false},
	} {
		if got, err := mongodb.Classify(c.setName, c.msg, "", c.ferretDB2); err != nil || got != c.want {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	if _, err := mongodb.Classify("", "", "v1.24.0", nil); err == nil {
		t.Error("FerretDB 1 is accepted")
	}
}
