// Package mongotest has the tests of the MongoDB store, for any server that
// speaks MongoDB's protocol.
package mongotest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
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

// Run runs all tests: in parallel, and at last the one that kills the server.
func Run(t *testing.T, server Server) {
	t.Helper()
	t.Run("Side by side", func(t *testing.T) {
		t.Run("Suite", func(t *testing.T) {
			t.Parallel()
			storagetest.Run(t, func(t *testing.T) storagetest.Place {
				db := server.database(t)
				return storagetest.Place{
					Open:   func() (storage.Store, error) { return mongodb.Open(t.Context(), db.uri) },
					OneRow: !server.Transactions,
				}
			})
		})
		for name, test := range map[string]func(t *testing.T, db database){
			"Visible":      testVisible,
			"NewerFormat":  testNewerFormat,
			"Damage":       testDamage,
			"DamagedHead":  testDamagedHead,
			"TooLarge":     testTooLarge,
			"TableNames":   testTableNames,
			"Zombie":       testZombie,
			"LostRequests": testLostRequests,
			"LostReplies":  testLostReplies,
			"Silence":      testSilence,
			"StepDown":     testStepDown,
			"OddJSON":      testOddJSON,
			"Credentials":  testCredentials,
			"CloseWhile":   testCloseWhile,
			"Outage":       testOutage,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, server.database(t))
			})
		}
	})
	t.Run("Kill", func(t *testing.T) { testKill(t, server.database(t)) })
}

// HasTransactions asks a MongoDB whether it is more than a standalone server.
func HasTransactions(t *testing.T, uri string) bool {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.WithoutCancel(t.Context())) //nolint:errcheck // the test is not about this connection
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string
	}
	if err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		t.Fatal(err)
	}
	return hello.SetName != "" || hello.Msg == "isdbgrid"
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

// through opens the store by way of a proxy.
func (db database) through(t *testing.T, handle Handler) (storage.Store, *Proxy) {
	t.Helper()
	uri, p := db.behind(t, handle)
	return open(t, uri), p
}

// behind is the URI of a proxy before the server.
func (db database) behind(t *testing.T, handle Handler) (uri string, p *Proxy) {
	t.Helper()
	start := strings.Index(db.uri, "://") + len("://")
	path := start + strings.Index(db.uri[start:], "/")
	host := start + strings.LastIndex(db.uri[start:path], "@") + 1
	address := db.uri[host:path]
	if strings.HasPrefix(db.uri, "mongodb+srv:") || strings.Contains(address, ",") || strings.Contains(db.uri, "tls=true") {
		t.Skip("a proxy can stand only before one server without TLS")
	}
	p = NewProxy(t, address, handle)
	uri = db.uri[:host] + p.Address + db.uri[path:]
	switch {
	case strings.Contains(uri, "directConnection=true"):
	case strings.Contains(uri, "?"):
		uri += "&directConnection=true"
	default:
		uri += "?directConnection=true"
	}
	return uri, p
}

func (db database) open(t *testing.T) storage.Store {
	t.Helper()
	return open(t, db.uri)
}

func open(t *testing.T, uri string) storage.Store {
	t.Helper()
	s, err := mongodb.Open(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func apply(t *testing.T, s storage.Store, epoch uint64, ops ...storage.Op) []uint64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), epoch, ops...)
	if err != nil {
		t.Fatal(err)
	}
	return versions
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want %q in one line", err, text)
	}
}
