package storagetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

// odd keys, none of which may be taken for another one, and of which the long
// ones do not compress and differ at their ends only.
var odd = []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "a\x01", "a/b", "a.b", "$a", "a'b\"c\\", "%00", "日本", "\u0301", " ", longKey + "a", longKey + "b"}

var longKey = func() string {
	random := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, storage.MaxKeyLength-1)
	for i := range b {
		b[i] = byte(' ' + random.IntN(95))
	}
	return string(b)
}()

func testOddKeys(t *testing.T, p Place) {
	s := open(t, p)
	for _, key1 := range odd {
		for _, key2 := range odd {
			k := key(key1, key2)
			if k.Key1 == "" {
				continue // an actor's key is never empty
			}
			mustApply(t, s, 1, storage.PutBytes(k, []byte(fmt.Sprintf("%q %q", key1, key2)), 0))
		}
	}
	for _, key1 := range odd[1:] {
		for _, key2 := range odd {
			if row := mustGet(t, s, key(key1, key2)); string(row.Value) != fmt.Sprintf("%q %q", key1, key2) {
				t.Errorf("under %.20q, %.20q is %.60q", key1, key2, row.Value)
			}
		}
		rows := list(t, s, storage.Range{Table: "storagetest", Key1: key1})
		if len(rows) != len(odd) {
			t.Errorf("%.20q has %d rows, want %d", key1, len(rows), len(odd))
		}
		if !slices.IsSortedFunc(rows, func(a, b storage.Row) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("the rows of %.20q are not in the order of their bytes", key1)
		}
	}
	if got := list(t, s, storage.Range{Table: "storagetest", Key1: "a", Prefix: longKey, From: longKey + "b"}); len(got) != 1 {
		t.Errorf("%d rows from a long key on, want 1", len(got))
	}
}

// values of which each is another JSON value.
var documents = []string{
	`null`, `true`, `0`, `-1`, `1.5`, `0.1`, `1e-7`, `123456789012345678901234567890.5`, `9223372036854775807`, `18446744073709551615`, `-9223372036854775808`, `1e300`,
	`""`, `"x"`, `"日本"`, `"a\u0000b"`, `"\ud83d\ude00"`, `"$x"`, `[]`, `[null,[1,[2]],{}]`, `{}`,
	`{"a":1,"b":{"c":[1,2.25,"x"]}}`, `{"":1}`, `{"$set":1}`, `{"a.b":1}`, `{"_id":1,"key1":2,"value":3,"version":4}`, `{"a\u0000b":1}`,
	`{"Time":"2026-01-02T03:04:05.123456789Z","Null":null,"Big":[1e400]}`,
}

func testEncodings(t *testing.T, p Place) {
	s := open(t, p)
	for i, document := range documents {
		k := key("json", fmt.Sprint(i))
		mustApply(t, s, 1, storage.Put(k, []byte(document), 0))
		row := mustGet(t, s, k)
		if row.Encoding != storage.JSON || canonical(t, row.Value) != canonical(t, []byte(document)) {
			t.Errorf("%s came back as %s", document, row.Value)
		}
		k = key("bytes", fmt.Sprint(i))
		loose := []byte(" " + document + " ")
		mustApply(t, s, 1, storage.PutBytes(k, loose, 0))
		if row := mustGet(t, s, k); row.Encoding != storage.Bytes || !bytes.Equal(row.Value, loose) {
			t.Errorf("bytes %q came back as %q", loose, row.Value)
		}
	}
	for i, row := range list(t, s, storage.Range{Table: "storagetest", Key1: "json", Limit: 3}) {
		if i == 0 && canonical(t, row.Value) != documents[0] || row.Encoding != storage.JSON {
			t.Errorf("listed %+v", row)
		}
	}
	k := key("json", "0") // a row changes its encoding
	mustApply(t, s, 1, storage.PutBytes(k, []byte{0xff, 0}, mustGet(t, s, k).Version))
	if row := mustGet(t, s, k); row.Encoding != storage.Bytes || !bytes.Equal(row.Value, []byte{0xff, 0}) {
		t.Errorf("row %+v", row)
	}
}

// canonical spells equal JSON values in one way.
func canonical(t *testing.T, value []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	text, err := json.Marshal(exact(t, v))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// exact replaces numbers by fractions, so that 1, 1.0 and 10e-1 are one.
func exact(t *testing.T, v any) any {
	switch v := v.(type) {
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		if !ok {
			t.Fatalf("%s is no number", v)
		}
		return []any{"number", n.RatString()}
	case []any:
		for i := range v {
			v[i] = exact(t, v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(t, v[name])
		}
	}
	return v
}

func testInvalid(t *testing.T, p Place) {
	s, k, zero := open(t, p), key("a", ""), []byte("0")
	long := strings.Repeat("k", storage.MaxKeyLength+1)
	for name, ops := range map[string][]storage.Op{
		"no JSON":        {storage.Put(k, []byte(`{"a":`), 0)},
		"empty JSON":     {storage.Put(k, nil, 0)},
		"two JSON":       {storage.Put(k, []byte(`1 2`), 0)},
		"no table":       {storage.Put(storage.Key{Key1: "a"}, zero, 0)},
		"no key1":        {storage.Put(key("", "a"), zero, 0)},
		"long table":     {storage.Put(storage.Key{Table: strings.Repeat("t", storage.MaxTableLength+1), Key1: "a"}, zero, 0)},
		"long key1":      {storage.Put(key(long, ""), zero, 0)},
		"long key2":      {storage.Put(key("a", long), zero, 0)},
		"key1 not UTF-8": {storage.Put(key("\xff", ""), zero, 0)},
		"key2 not UTF-8": {storage.Put(key("a", "\xff"), zero, 0)},
		"two actors":     {storage.Put(k, zero, 0), storage.Put(key("b", ""), zero, 0)},
		"one row twice":  {storage.Put(k, zero, 0), storage.Put(k, zero, 0)},
	} {
		if _, err := s.Apply(t.Context(), 1, ops...); !errors.Is(err, storage.ErrInvalid) || !storage.WasRefused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Apply(t.Context(), 1<<63, storage.Put(k, zero, 0)); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("an epoch of 1<<63: %v", err)
	}
	mustApply(t, s, 1<<63-1, storage.Put(k, zero, 0))
	if row := mustGet(t, s, k); row.Epoch != 1<<63-1 {
		t.Errorf("row %+v", row)
	}
}

func testLargeValues(t *testing.T, p Place) {
	s := open(t, p)
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		value := make([]byte, size)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		k := key("large", fmt.Sprint(size))
		mustApply(t, s, 1, storage.PutBytes(k, value, 0))
		if row := mustGet(t, s, k); !bytes.Equal(row.Value, value) {
			t.Errorf("a value of %d bytes changed", size)
		}
	}
}
