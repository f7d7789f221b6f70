package ferrettest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
	"github.com/mallee-io/mallee/storage/mongodb/mongotest"
)

// transactions gives FerretDB what the store needs of MongoDB's transactions:
// in a database one is open at a time, others are told of a conflict; its
// writes are kept until it commits. It shows that the store says the right things in the right
// order, not how MongoDB answers to them.
type transactions struct {
	mu    sync.Mutex
	begun map[id]*transaction
	open  map[string]*transaction // by database
}

type id struct {
	session string
	number  int64
}

type transaction struct {
	mu        sync.Mutex
	database  string
	since     time.Time
	writes    []bson.Raw
	committed bool
}

func newTransactions() *transactions {
	return &transactions{begun: make(map[id]*transaction), open: make(map[string]*transaction)}
}

// marks are what a command of a transaction says of it.
type marks struct {
	Session    bson.Raw `bson:"lsid"`
	Number     int64    `bson:"txnNumber"`
	Autocommit *bool    `bson:"autocommit"`
	Start      bool     `bson:"startTransaction"`
	Database   string   `bson:"$db"`
}

const lifetime = 5 * time.Second // after which a transaction is given up

func (x *transactions) handle(command bson.Raw, forward mongotest.Forward) bson.Raw {
	name, collection := mongotest.Name(command)
	var m marks
	if err := bson.Unmarshal(command, &m); err != nil {
		return nil
	}
	switch {
	case name == "hello":
		return with(forward(command), bson.E{Key: "setName", Value: "test"})
	case name == "buildInfo":
		return without(forward(command), "ferretdb")
	case m.Autocommit == nil:
		return forward(command)
	}
	y := x.find(&m)
	if y == nil {
		return failure(112, "WriteConflict")
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	switch {
	case name == "commitTransaction" && y.committed:
		return success(0)
	case !x.is(y):
		return failure(251, "NoSuchTransaction")
	case name == "commitTransaction":
		defer x.end(y)
		return y.commit(forward)
	case name == "abortTransaction":
		x.end(y)
		return success(0)
	}
	command = without(command, "txnNumber", "autocommit", "startTransaction", "readConcern")
	if name == "find" {
		// A transaction sees its own writes. The store reads after it has
		// written only where that was pending, and could be done anyway.
		if !y.write(forward) {
			return nil
		}
		return forward(command)
	}
	y.writes = append(y.writes, command)
	return rehearse(collection, command, forward)
}

// find begins a transaction, unless another one is open, or goes on with it.
func (x *transactions) find(m *marks) *transaction {
	x.mu.Lock()
	defer x.mu.Unlock()
	this := id{string(m.Session), m.Number}
	if !m.Start {
		if y := x.begun[this]; y != nil {
			return y
		}
		return &transaction{}
	}
	if other := x.open[m.Database]; other != nil && time.Since(other.since) < lifetime {
		return nil
	}
	y := &transaction{database: m.Database, since: time.Now()}
	x.begun[this], x.open[m.Database] = y, y
	return y
}

func (x *transactions) is(y *transaction) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[y.database] == y
}

func (x *transactions) end(y *transaction) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, y.database)
}

func (y *transaction) commit(forward mongotest.Forward) bson.Raw {
	if !y.write(forward) {
		return nil // half of it is done, which no test may pass over
	}
	y.committed = true
	return success(0)
}

// write does what was kept.
func (y *transaction) write(forward mongotest.Forward) (ok bool) {
	for _, write := range y.writes {
		reply := forward(write)
		if reply == nil || reply.Lookup("writeErrors").Type == bson.TypeArray {
			return false
		}
	}
	y.writes = nil
	return true
}

// rehearse says how many documents a write will find.
func rehearse(collection string, command bson.Raw, forward mongotest.Forward) bson.Raw {
	var c struct {
		DB        string `bson:"$db"`
		Documents []struct {
			ID any `bson:"_id"`
		}
		Updates, Deletes []struct{ Q bson.D }
	}
	if err := bson.Unmarshal(command, &c); err != nil {
		return nil
	}
	count := func(filter bson.D) int {
		find, err := bson.Marshal(bson.D{{Key: "find", Value: collection}, {Key: "filter", Value: filter}, {Key: "$db", Value: c.DB}})
		if err != nil {
			return 0
		}
		found, err := forward(find).Lookup("cursor", "firstBatch").Array().Values()
		if err != nil {
			return 0
		}
		return len(found)
	}
	n := 0
	for _, d := range c.Documents {
		if count(bson.D{{Key: "_id", Value: d.ID}}) > 0 {
			return failure(112, "WriteConflict")
		}
		n++
	}
	for _, u := range append(c.Updates, c.Deletes...) {
		n += count(u.Q)
	}
	return success(n)
}

func success(n int) bson.Raw {
	return encode(bson.D{{Key: "n", Value: n}, {Key: "nModified", Value: n}, {Key: "ok", Value: 1.0}})
}

func failure(code int, name string) bson.Raw {
	return encode(bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: name}, {Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}})
}

func encode(d bson.D) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil
	}
	return raw
}

func without(raw bson.Raw, names ...string) bson.Raw {
	var d, kept bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return nil
	}
next:
	for _, e := range d {
		for _, name := range names {
			if e.Key == name {
				continue next
			}
		}
		kept = append(kept, e)
	}
	return encode(kept)
}

func with(raw bson.Raw, e bson.E) bson.Raw {
	var d bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return nil
	}
	return encode(append(d, e))
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	p := mongotest.NewProxy(t, start(t).proxy.Address, newTransactions().handle)
	mongotest.Run(t, mongotest.Server{URI: "mongodb://" + p.Address + "/?directConnection=true", Transactions: true})
}

// A standalone server becomes a replica set: what was pending is finished, and
// deleted rows stay deleted.
func TestBecomesReplicaSet(t *testing.T) {
	t.Parallel()
	address := start(t).proxy.Address
	later := mongotest.NewProxy(t, address, newTransactions().handle)
	open := func(uri string) storage.Store {
		s, err := mongodb.Open(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	key := func(key2 string) storage.Key { return storage.Key{Table: "t", Key1: "a", Key2: key2} }
	apply := func(s storage.Store, epoch uint64, ops ...storage.Op) []uint64 {
		t.Helper()
		versions, err := s.Apply(t.Context(), epoch, ops...)
		if err != nil {
			t.Fatal(err)
		}
		return versions
	}
	alone := open("mongodb://" + address)
	v := apply(alone, 1, storage.Put(key("gone"), []byte("1"), 0))[0]
	apply(alone, 1, storage.Delete(key("gone"), v))
	v = apply(alone, 1, storage.Put(key("last"), []byte("2"), 0))[0]
	forget(t, "mongodb://"+address, "last") // as if the writer had died before its last step

	set := open("mongodb://" + later.Address + "/?directConnection=true")
	if _, err := set.Apply(t.Context(), 1, storage.Put(key("last"), []byte("3"), 0)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("what was pending is not there: %v", err)
	}
	if _, err := set.Get(t.Context(), key("gone")); !errors.Is(err, storage.ErrNotFound) {
		t.Error(err)
	}
	apply(set, 2, storage.Put(key("gone"), []byte("4"), 0), storage.Put(key("last"), []byte("5"), v))
	for row, err := range set.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
		if err != nil || row.Epoch != 2 || row.Version <= v {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if _, err := alone.Apply(t.Context(), 1, storage.Put(key("x"), []byte("6"), 0)); !errors.Is(err, storage.ErrFenced) {
		t.Error(err)
	}
}

func forget(t *testing.T, uri, key2 string) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.WithoutCancel(t.Context()))
	if r, err := client.Database("mallee").Collection("t").DeleteOne(t.Context(), bson.D{{Key: "key2", Value: key2}}); err != nil || r.DeletedCount != 1 {
		t.Fatal(r, err)
	}
}
