// Package mongotest has the tests of the MongoDB store, for any server that
// speaks MongoDB's protocol.
package mongotest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
	"github.com/mallee-io/mallee/storage/storagetest"
)

// Server is what the tests run against. They make databases of their own
// there and drop them.
type Server struct {
	URI          string // without a database
	Transactions bool
	// Kill ends the server at once, Start brings it back; nil where the tests
	// may not do that.
	Kill, Start func(t *testing.T)
}

// Run runs all tests, in parallel except for the one that kills the server.
func Run(t *testing.T, server Server) {
	t.Helper()
	t.Run("Suite", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storagetest.Place {
			db := server.database(t)
			return storagetest.Place{
				Open:   func() (storage.Store, error) { return mongodb.Open(t.Context(), db.uri) },
				OneRow: !server.Transactions,
			}
		})
	})
	for name, test := range map[string]func(t *testing.T, server Server){} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, server)
		})
	}
}

// database is one of a test's own.
type database struct {
	*mongo.Database
	uri    string
	server Server
}

func (s Server) database(t *testing.T) database {
	t.Helper()
	name := "mallee_test_" + strings.ToLower(rand.Text())
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI))
	if err != nil {
		t.Fatal(err)
	}
	db := client.Database(name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := db.Drop(ctx); err != nil {
			t.Logf("drop %s: %v", name, err)
		}
		_ = client.Disconnect(ctx)
	})
	return database{db, withDatabase(s.URI, name), s}
}

// withDatabase puts the name of a database into a URI.
func withDatabase(uri, name string) string {
	address, query, _ := strings.Cut(uri, "?")
	if query != "" {
		query = "?" + query
	}
	return strings.TrimSuffix(address, "/") + "/" + name + query
}
