package postgres_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

// JSON values, and whether they become documents.
var values = map[string]bool{
	`{"a":[1,-2.50,1e3,"x\n\"\\\/\u00e9"],"b":{}}`: true,
	`"\ud83d\ude00"`:                  true,
	`"\\u0000"`:                       true,
	`"\\\\"`:                          true,
	`"\u0000"`:                        false,
	`{"\u0000":1}`:                    false,
	`"\\\u0000"`:                      false,
	`"\ud83d"`:                        false,
	`"\ud83dx\ude00"`:                 false,
	`"\ude00\ud83d"`:                  false,
	`"\uD83D\uD83D"`:                  false,
	"\"\xff\"":                        false,
	`1e400`:                           true,
	`-1E-400`:                         true,
	`1e131072`:                        false,
	`1e-99999999999999999999`:         false,
	strings.Repeat("7", 900):          true,
	"0." + strings.Repeat("7", 20000): false,
	strings.Repeat("[", 400) + strings.Repeat("]", 400):   true,
	strings.Repeat("[", 9000) + strings.Repeat("]", 9000): false,
	"[" + strings.Repeat("1e900,", 100) + "0]":            true,
	"[" + strings.Repeat("1e900,", 2000) + "0]":           false,
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	s := open(t, url)
	c := connect(t, url)
	i := 0
	for value, document := range values {
		k := storage.Key{Table: "t", Key1: "a", Key2: fmt.Sprint(i)}
		i++
		roundTrip(t, s, k, []byte(value))
		var found bool
		if err := c.QueryRow(t.Context(), `SELECT document IS NOT NULL FROM mallee_rows WHERE key2 = $1`, []byte(k.Key2)).Scan(&found); err != nil || found != document {
			t.Errorf("%.60s is in a jsonb: %v, %v", value, found, err)
		}
	}
}

// roundTrip writes JSON to a new row and reads it. It must come back equal.
func roundTrip(t *testing.T, s storage.Store, k storage.Key, value []byte) {
	t.Helper()
	if _, err := s.Apply(t.Context(), 1, storage.Put(k, value, 0)); err != nil {
		t.Errorf("%.60q: %v", value, err)
		return
	}
	row, err := s.Get(t.Context(), k)
	if err != nil || row.Encoding != storage.JSON || !bytes.Equal(row.Value, value) && !reflect.DeepEqual(decode(t, row.Value), decode(t, value)) {
		t.Errorf("%.60q came back as %.60q, %v", value, row.Value, err)
	}
}

func decode(t *testing.T, value []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Errorf("%.60q: %v", value, err)
	}
	return fractions(v)
}

// fractions spells equal numbers in one way.
func fractions(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := new(big.Rat).SetString(v.String())
		return n.RatString()
	case []any:
		for i := range v {
			v[i] = fractions(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = fractions(v[name])
		}
	}
	return v
}

// Whatever is JSON can be written, and does not harm others in its transaction.
func FuzzDocuments(f *testing.F) {
	url := server(f)
	for value := range values {
		f.Add([]byte(value))
	}
	s := open(f, fresh(f, url))
	i := 0
	f.Fuzz(func(t *testing.T, value []byte) {
		if json.Valid(value) {
			i++
			roundTrip(t, s, storage.Key{Table: "t", Key1: "a", Key2: fmt.Sprint(i)}, value)
		}
	})
}

// A database of another encoding cannot hold all text in a jsonb.
func TestOtherEncoding(t *testing.T) {
	t.Parallel()
	url := server(t)
	c := connect(t, url)
	name := unique("latin")
	exec(t, c, `CREATE DATABASE `+name+` ENCODING 'LATIN1' TEMPLATE template0`)
	s := open(t, strings.Replace(url, "/postgres?", "/"+name+"?", 1))
	roundTrip(t, s, storage.Key{Table: "t", Key1: "a"}, []byte(`{"name":"日本"}`))
	roundTrip(t, s, storage.Key{Table: "t", Key1: "b"}, []byte(`{"name":"é"}`))
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := open(t, fresh(t, server(t)))
	k := storage.Key{Table: "t", Key1: "a"}
	_, err := s.Apply(t.Context(), 1, storage.PutBytes(k, make([]byte, 64<<20+1), 0))
	if !storage.WasRefused(err) {
		t.Error(err)
	}
	wantError(t, err, "more than the store takes at once")
}

// Pages of rows that are large, and of keys that are long and begin alike.
func TestPages(t *testing.T) {
	t.Parallel()
	s := open(t, fresh(t, server(t)))
	long := strings.Repeat("k", 2048)
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("a%02d", i))
	}
	for i := range 700 {
		want = append(want, fmt.Sprintf("%s%04d", long, i))
	}
	want = append(want, "l", "m")
	for from := 0; from < len(want); from += 100 {
		var ops []storage.Op
		for _, key2 := range want[from:min(from+100, len(want))] {
			size := 10
			if len(key2) == 3 || key2 == "m" {
				size = 500 << 10
			}
			ops = append(ops, storage.PutBytes(storage.Key{Table: "t", Key1: "a", Key2: key2}, make([]byte, size), 0))
		}
		if _, err := s.Apply(t.Context(), 1, ops...); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for row, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row.Key.Key2)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows, want %d, or they are not the same", len(got), len(want))
	}
	n := 0
	for _, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a", Prefix: long, From: long + "0500", To: long + "0600"}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 100 {
		t.Errorf("%d rows of a range of long keys, want 100", n)
	}
}
