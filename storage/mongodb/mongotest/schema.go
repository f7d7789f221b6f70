package mongotest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
)

var player = storage.Key{Table: "state.Player", Key1: "ann", Key2: "bag"}

// Users' own tools find rows by what is in them.
func testVisible(t *testing.T, db database) {
	s := db.open(t)
	apply(t, s, 1, storage.Put(player, []byte(`{"name":"Ann","level":7,"items":[{"id":"sword","weight":2.5}]}`), 0))
	for _, filter := range []bson.D{
		{{Key: "key1", Value: "ann"}, {Key: "key2", Value: "bag"}},
		{{Key: "value.level", Value: bson.D{{Key: "$gt", Value: 6}}}},
		{{Key: "value.items.id", Value: "sword"}},
	} {
		var found struct{ Value struct{ Name string } }
		if err := db.Collection("state.Player").FindOne(t.Context(), filter).Decode(&found); err != nil || found.Value.Name != "Ann" {
			t.Errorf("%v: %+v, %v", filter, found, err)
		}
	}
}

// What BSON cannot hold is kept as it was written.
func testOddJSON(t *testing.T, db database) {
	s := db.open(t)
	for i, text := range []string{`[1e400, -0]`, `{"": {"$a.b": "\ud800"}}`, "\"not UTF-8: \xff\"", strings.Repeat("[", 200) + strings.Repeat("]", 200)} {
		key := storage.Key{Table: "odd", Key1: fmt.Sprint(i)}
		apply(t, s, 1, storage.Put(key, []byte(text), 0))
		if row, err := s.Get(t.Context(), key); err != nil || string(row.Value) != text || row.Encoding != storage.JSON {
			t.Errorf("%q came back as %q, %v", text, row.Value, err)
		}
	}
}

func testNewerFormat(t *testing.T, db database) {
	if _, err := db.Collection("mallee.format").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "format"}, {Key: "format", Value: "mallee 2"}}); err != nil {
		t.Fatal(err)
	}
	_, err := mongodb.Open(t.Context(), db.uri)
	wantError(t, err, `is "mallee 2", this version of mallee knows "mallee 1"`)
	if names, err := db.ListCollectionNames(t.Context(), bson.D{}); err != nil || !slices.Equal(names, []string{"mallee.format"}) {
		t.Errorf("something was written: %q, %v", names, err)
	}
}

func testDamage(t *testing.T, db database) {
	s := db.open(t)
	for i, damage := range []struct {
		operator, field, text string
		value                 any
	}{
		{"$set", "version", "its field version is not a whole number", "x"},
		{"$set", "version", "its field version is not a whole number", 1.5},
		{"$set", "version", "its version is 0", int64(0)},
		{"$unset", "version", "its field version is not a whole number", ""},
		{"$set", "epoch", "its field epoch is not a whole number", int64(-1)},
		{"$set", "key1", "its _id is not that of key1", "someone else"},
		{"$set", "key2", "its field key2 is not a text", 3},
		{"$unset", "value", "it has no field value, json or bytes", ""},
		{"$set", "value", "type UTC datetime, which is no JSON", time.Unix(0, 0)},
		{"$set", "value.deep", "type objectID, which is no JSON", bson.NewObjectID()},
		{"$rename", "value", "its field json is not JSON", "json"},
	} {
		key := storage.Key{Table: "damage", Key1: fmt.Sprint(i), Key2: "x"}
		apply(t, s, 1, storage.Put(key, []byte(`{"a":1}`), 0))
		change := bson.D{{Key: damage.operator, Value: bson.D{{Key: damage.field, Value: damage.value}}}}
		if r, err := db.Collection("damage").UpdateOne(t.Context(), bson.D{{Key: "key1", Value: key.Key1}}, change); err != nil || r.ModifiedCount != 1 {
			t.Fatal(i, r, err)
		}
		_, err := s.Get(t.Context(), key)
		wantError(t, err, damage.text)
		wantError(t, err, "in collection damage is damaged, or of a newer version of mallee")
		for _, err := range s.List(t.Context(), storage.Range{Table: "damage", Key1: key.Key1}) {
			wantError(t, err, damage.text)
		}
		if strings.HasPrefix(damage.text, "its field version") {
			_, err := s.Apply(t.Context(), 1, storage.Put(key, []byte("1"), 1))
			wantError(t, err, damage.text)
			if storage.WasRefused(err) {
				t.Errorf("damage is taken for a refusal: %v", err)
			}
		}
	}
}

func testDamagedHead(t *testing.T, db database) {
	s := db.open(t)
	apply(t, s, 1, storage.Put(player, []byte("1"), 0))
	heads := db.Collection("mallee.heads")
	if _, err := heads.UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "epoch", Value: "x"}}}}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Apply(t.Context(), 1, storage.Put(player, []byte("2"), 1))
	wantError(t, err, "in collection mallee.heads is damaged, or of a newer version of mallee: its field epoch is not a whole number")
	if _, err := heads.UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "table", Value: "a"}}}}); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Scan(t.Context(), storage.Key{Table: "b"}) {
		wantError(t, err, `its _id is not that of table "a"`)
	}
}

func testTooLarge(t *testing.T, db database) {
	sent := false
	s, _ := db.through(t, func(command bson.Raw, forward Forward) bson.Raw {
		sent = sent || len(command) > 16<<20
		return forward(command)
	})
	_, err := s.Apply(t.Context(), 1, storage.PutBytes(player, make([]byte, 16<<20), 0))
	wantError(t, err, "MongoDB takes 16777216")
	if !errors.Is(err, storage.ErrTooLarge) || sent {
		t.Errorf("%v, or it was sent: %v", err, sent)
	}
}

// Tables of any name have collections of their own.
func testTableNames(t *testing.T, db database) {
	s := db.open(t)
	names := []string{"a", "A", "a.b", "a..b", "a.", ".a", "$a", "a$b", "a\x00b", "%", "%YQ", "日本", " ", "system.x", "mallee.heads", "mallee.format", "_ferretdb_x", strings.Repeat("$", storage.MaxTableLength), strings.Repeat("a", storage.MaxTableLength)}
	for _, name := range names {
		apply(t, s, 1, storage.PutBytes(storage.Key{Table: name, Key1: "a"}, []byte(name), 0))
	}
	slices.Sort(names)
	var found []string
	for row, err := range s.Scan(t.Context(), storage.Key{}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(row.Value) != row.Key.Table {
			t.Errorf("table %q has the row of %q", row.Key.Table, row.Value)
		}
		found = append(found, row.Key.Table)
	}
	if !slices.Equal(found, names) {
		t.Errorf("found %q, want %q", found, names)
	}
}
