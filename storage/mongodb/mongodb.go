// Package mongodb keeps rows in MongoDB, where users' own tools can read them:
// a collection for each table, a document for each row.
//
// On a replica set or a sharded cluster, each Apply is one transaction. A
// standalone server has none: there a batch is one row, and two documents are
// written one after the other in a way that an owner who was replaced
// meanwhile cannot harm (see apply.go).
//
// It stands on go.mongodb.org/mongo-driver, MongoDB's own driver.
package mongodb

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mallee-io/mallee/storage"
)

// patience is how long a call waits for the server if its context has no
// deadline, and how long Close waits for calls.
const patience = 10 * time.Second

// Open opens the store at an address as MongoDB's drivers take it:
//
//	mongodb://user:password@host1,host2/database?replicaSet=name
//
// The database is "mallee" if the path names none. With a user name, its path
// is also where the server looks the user up, unless authSource says
// otherwise. The whole store reads and writes at the primary and waits for the
// majority, whatever the address says of that.
//
// Open fails, with an ErrUnavailable, if the server does not answer before the
// context ends or, without a deadline, within ten seconds; and for a database
// that a newer version has written. An open store finds a server that has been
// away by itself.
func Open(ctx context.Context, uri string) (storage.Store, error) {
	at, err := parseAddress(uri)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(at.options)
	if err != nil {
		return nil, at.invalid(err)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	s := &store{client: client, address: at}
	if err := s.start(ctx); err != nil {
		s.disconnect()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

type store struct {
	client       *mongo.Client
	address      address
	transactions bool // the deployment has them
	db           *mongo.Database

	tables sync.Map // names of tables whose collections are known to exist

	mu     sync.Mutex // guards closed, and calls from growing once it is set
	closed bool
	calls  sync.WaitGroup
}

func (s *store) start(ctx context.Context) (err error) {
	if s.transactions, err = s.inspect(ctx); err != nil {
		return s.failed(ctx, "ask for its kind", err)
	}
	s.db = s.client.Database(s.address.database, concerns(s.transactions))
	return s.checkFormat(ctx)
}

// heads holds a document for each partition, see head.
func (s *store) heads() *mongo.Collection { return s.db.Collection(headCollection) }

func (s *store) rows(table string) *mongo.Collection {
	return s.db.Collection(collectionName(table))
}

// enter keeps the store open until leave, and bounds the call.
func (s *store) enter(ctx context.Context) (bound context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, storage.ErrClosed
	}
	s.calls.Add(1)
	ctx, cancel := bounded(ctx)
	return ctx, func() { cancel(); s.calls.Done() }, nil
}

// bounded gives a context a deadline if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, patience)
}

// Close lets calls that are running end, but not for long.
func (s *store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	ended := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(ended)
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-ended:
	case <-limit.C:
	}
	s.disconnect()
	return nil
}

// disconnect cuts the connections. The driver fails at it only where it cannot
// tell the server that its sessions are over, which the server finds out.
func (s *store) disconnect() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.client.Disconnect(ctx)
}

// Collections beside those of the tables. No table has such a name.
const (
	formatCollection = "mallee.format"
	headCollection   = "mallee.heads"
)

const format = "mallee 1"

// checkFormat marks a new store, and refuses any other format than today's
// before anything is written.
func (s *store) checkFormat(ctx context.Context) error {
	marks := s.db.Collection(formatCollection)
	var mark struct{ Format string }
	err := marks.FindOne(ctx, bson.D{{Key: "_id", Value: "format"}}).Decode(&mark)
	if err == mongo.ErrNoDocuments {
		_, err = marks.InsertOne(ctx, bson.D{{Key: "_id", Value: "format"}, {Key: "format", Value: format}})
		if !mongo.IsDuplicateKeyError(err) {
			return s.failed(ctx, "mark the database", err)
		}
		err = marks.FindOne(ctx, bson.D{{Key: "_id", Value: "format"}}).Decode(&mark) // another one was first
	}
	if err != nil {
		return s.failed(ctx, "read the format", err)
	}
	if mark.Format != format {
		return fmt.Errorf("the format of database %s is %q, this version of mallee knows %q; use the version that wrote it or a newer one", s.address.database, mark.Format, format)
	}
	return nil
}
