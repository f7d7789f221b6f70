// Package storagetest is the suite that every storage backend passes.
package storagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

// Place is where a store keeps its rows: a directory, a database. Open opens
// the store there; after Close it may be opened again, and holds what was
// acknowledged.
type Place struct {
	Open func() (storage.Store, error)
	// Volatile places forget everything at Close.
	Volatile bool
	// OneRow places have no transactions: a batch of more than one row is
	// refused with ErrTooLarge.
	OneRow bool
}

// MaxBatch is how many ops a store must take in one batch at least.
const MaxBatch = 100

// Run runs the suite. fresh makes an empty place; it is called once for each
// test, and tests run side by side.
func Run(t *testing.T, fresh func(t *testing.T) Place) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, p Place){
		"Versions":          testVersions,
		"Fencing":           testFencing,
		"Encodings":         testEncodings,
		"Invalid":           testInvalid,
		"Batches":           testBatches,
		"OddKeys":           testOddKeys,
		"LargeValues":       testLargeValues,
		"List":              testList,
		"ListWhileWriting":  testListWhileWriting,
		"Scan":              testScan,
		"ConcurrentWriters": testConcurrentWriters,
		"Zombies":           testZombies,
		"Model":             testModel,
		"Reopen":            testReopen,
		"Close":             testClose,
		"Cancelled":         testCancelled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

func open(t *testing.T, p Place) storage.Store {
	t.Helper()
	s, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func key(key1, key2 string) storage.Key {
	return storage.Key{Table: "storagetest", Key1: key1, Key2: key2}
}

func mustApply(t *testing.T, s storage.Store, epoch uint64, ops ...storage.Op) []uint64 {
	t.Helper()
	versions, err := s.Apply(t.Context(), epoch, ops...)
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != len(ops) {
		t.Fatalf("%d versions for %d ops", len(versions), len(ops))
	}
	return versions
}

func mustGet(t *testing.T, s storage.Store, k storage.Key) storage.Row {
	t.Helper()
	row, err := s.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if row.Key != k || row.Version == 0 {
		t.Fatalf("row %+v under key %v", row, k)
	}
	return row
}

func testVersions(t *testing.T, p Place) {
	s, k := open(t, p), key("a", "b")
	if _, err := s.Get(t.Context(), k); !errors.Is(err, storage.ErrNotFound) {
		t.Fatalf("a row that was never written: %v", err)
	}
	first := mustApply(t, s, 1, storage.Put(k, []byte(`"x"`), 0))[0]
	row := mustGet(t, s, k)
	if string(row.Value) != `"x"` || row.Version != first || row.Epoch != 1 {
		t.Errorf("row %+v, want version %d", row, first)
	}
	for _, wrong := range []uint64{0, first + 1} {
		var conflict *storage.ConflictError
		_, err := s.Apply(t.Context(), 1, storage.Put(k, []byte(`"y"`), wrong))
		if !errors.As(err, &conflict) || !errors.Is(err, storage.ErrConflict) || conflict.Have != first || conflict.Want != wrong || conflict.Key != k {
			t.Errorf("put over version %d: %v", wrong, err)
		}
	}
	second := mustApply(t, s, 2, storage.Put(k, []byte(`"y"`), first))[0]
	if second <= first {
		t.Errorf("version %d after %d", second, first)
	}
	if gone := mustApply(t, s, 2, storage.Delete(k, second))[0]; gone != 0 {
		t.Errorf("a deleted row has version %d", gone)
	}
	if _, err := s.Get(t.Context(), k); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a deleted row: %v", err)
	}
	if _, err := s.Apply(t.Context(), 2, storage.Delete(k, second)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("deleted twice: %v", err)
	}
	if third := mustApply(t, s, 2, storage.PutBytes(k, nil, 0))[0]; third <= second {
		t.Errorf("a row that came back has version %d after %d: a stale writer could match it", third, second)
	}
	if row := mustGet(t, s, k); len(row.Value) != 0 {
		t.Errorf("an empty value became %q", row.Value)
	}
}

func testFencing(t *testing.T, p Place) {
	s := open(t, p)
	v := mustApply(t, s, 5, storage.Put(key("a", ""), []byte("1"), 0))[0]
	var fenced *storage.FencedError
	_, err := s.Apply(t.Context(), 4, storage.Put(key("a", "other"), []byte("2"), 0))
	if !errors.As(err, &fenced) || !errors.Is(err, storage.ErrFenced) || errors.Is(err, storage.ErrConflict) || fenced.Have != 5 || fenced.Want != 4 {
		t.Errorf("an old epoch wrote another row of the actor: %v", err)
	}
	mustApply(t, s, 6, storage.Delete(key("a", ""), v))
	if _, err := s.Apply(t.Context(), 5, storage.Put(key("a", ""), []byte("3"), 0)); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("deleting the last row forgot the epoch: %v", err)
	}
	mustApply(t, s, 1, storage.Put(key("b", ""), []byte("4"), 0)) // another actor
	other := storage.Key{Table: "storagetest_other", Key1: "a"}
	mustApply(t, s, 1, storage.Put(other, []byte("5"), 0)) // another table
}

func testBatches(t *testing.T, p Place) {
	s := open(t, p)
	if versions, err := s.Apply(t.Context(), 1); err != nil || len(versions) != 0 {
		t.Errorf("an empty batch: %v, %v", versions, err)
	}
	if p.OneRow {
		_, err := s.Apply(t.Context(), 1, storage.Put(key("a", "1"), []byte("1"), 0), storage.Put(key("a", "2"), []byte("2"), 0))
		if !errors.Is(err, storage.ErrTooLarge) || len(list(t, s, storage.Range{Table: "storagetest", Key1: "a"})) != 0 {
			t.Errorf("two rows at once: %v", err)
		}
		return
	}
	v := mustApply(t, s, 1, storage.Put(key("a", "1"), []byte("1"), 0), storage.Put(key("a", "2"), []byte("2"), 0))
	for name, ops := range map[string][]storage.Op{
		"conflict at the end": {storage.Put(key("a", "3"), []byte("0"), 0), storage.Delete(key("a", "1"), v[0]), storage.Put(key("a", "2"), []byte("0"), v[1]+1)},
		"two actors":          {storage.Put(key("a", "3"), []byte("0"), 0), storage.Put(key("b", "3"), []byte("0"), 0)},
		"one row twice":       {storage.Put(key("a", "3"), []byte("0"), 0), storage.Put(key("a", "3"), []byte("0"), 0)},
	} {
		if _, err := s.Apply(t.Context(), 1, ops...); err == nil {
			t.Errorf("%s: the batch was done", name)
		}
		if _, err := s.Get(t.Context(), key("a", "3")); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: half of the batch was done: %v", name, err)
		}
	}
	if row := mustGet(t, s, key("a", "1")); row.Version != v[0] {
		t.Errorf("a refused batch changed a row: %+v", row)
	}
	mustApply(t, s, 1, storage.Delete(key("a", "1"), v[0]), storage.Put(key("a", "2"), []byte("22"), v[1]), storage.Put(key("a", "3"), []byte("0"), 0))
	if row := mustGet(t, s, key("a", "2")); string(row.Value) != "22" {
		t.Errorf("row %+v", row)
	}
	many := make([]storage.Op, MaxBatch)
	for i := range many {
		many[i] = storage.Put(key("many", fmt.Sprint(i)), []byte("0"), 0)
	}
	mustApply(t, s, 1, many...)
	if rows := list(t, s, storage.Range{Table: "storagetest", Key1: "many"}); len(rows) != len(many) {
		t.Errorf("%d rows of a batch of %d", len(rows), len(many))
	}
}

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

// Scan meets every row of the store once, in order, from any key on.
func testScan(t *testing.T, p Place) {
	s := open(t, p)
	if rows := collect(t, s.Scan(t.Context(), storage.Key{})); len(rows) != 0 {
		t.Fatalf("an empty store has %d rows", len(rows))
	}
	var all []storage.Row
	for _, table := range []string{"a", "a.b", "a_b", "b", "state.Player"} {
		for _, key1 := range []string{"1", "1\x00", "1/2", "2", "日本", longKey} {
			for i, key2 := range []string{"", "\x00", "x", "y", longKey} {
				k, epoch := storage.Key{Table: table, Key1: key1, Key2: key2}, uint64(i+1)
				all = append(all, storage.Row{Key: k, Value: []byte("1"), Encoding: storage.Bytes, Version: mustApply(t, s, epoch, storage.PutBytes(k, []byte("1"), 0))[0], Epoch: epoch})
			}
		}
	}
	slices.SortFunc(all, func(a, b storage.Row) int { return a.Key.Compare(b.Key) })
	for from := 0; from <= len(all); from += 7 {
		var at storage.Key
		if from > 0 {
			at = all[from-1].Key
			at.Key2 += "\x00" // just after it
			if len(at.Key2) > storage.MaxKeyLength {
				continue
			}
			if from < len(all) && at == all[from].Key {
				at.Key2 = all[from].Key.Key2
			}
		}
		rows := collect(t, s.Scan(t.Context(), at))
		if !reflect.DeepEqual(rows, all[from:]) {
			t.Fatalf("from %.40s: %d rows, want %d, or they are not the same", at, len(rows), len(all)-from)
		}
	}
	if rows := collect(t, s.Scan(t.Context(), storage.Key{Table: "a\x00"})); rows[0].Key.Table != "a.b" {
		t.Errorf("after table a comes %s", rows[0].Key.Table)
	}
	for _, err := range s.Scan(t.Context(), storage.Key{}) {
		if err != nil {
			t.Fatal(err)
		}
		break // ends the iteration and frees what it holds
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, last := 0, error(nil)
	for _, err := range s.Scan(ctx, storage.Key{}) {
		if n, last = n+1, err; n == 3 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) && n < len(all) {
		t.Errorf("a cancelled scan ended after %d rows with %v", n, last)
	}
	cancel()
}

func collect(t *testing.T, rows iter.Seq2[storage.Row, error]) (all []storage.Row) {
	t.Helper()
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
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

func list(t *testing.T, s storage.Store, r storage.Range) []storage.Row {
	t.Helper()
	return collect(t, s.List(t.Context(), r))
}

func testList(t *testing.T, p Place) {
	s := open(t, p)
	var all []string
	for i := range 500 {
		key2 := fmt.Sprintf("%03d", (i*7)%500)
		mustApply(t, s, 1, storage.PutBytes(key("a", key2), []byte(key2), 0))
		all = append(all, fmt.Sprintf("%03d", i))
	}
	mustApply(t, s, 1, storage.Put(key("a0", "000"), []byte("0"), 0)) // neighbours
	mustApply(t, s, 1, storage.Put(storage.Key{Table: "storagetes", Key1: "ta", Key2: "000"}, []byte("0"), 0))
	for name, c := range map[string]struct {
		r    storage.Range
		want []string
	}{
		"all":            {storage.Range{}, all},
		"limit":          {storage.Range{Limit: 3}, all[:3]},
		"from":           {storage.Range{From: "490"}, all[490:]},
		"from between":   {storage.Range{From: "4899"}, all[490:]},
		"to":             {storage.Range{To: "005"}, all[:5]},
		"range":          {storage.Range{From: "100", To: "110"}, all[100:110]},
		"prefix":         {storage.Range{Prefix: "04"}, all[40:50]},
		"prefix, from":   {storage.Range{Prefix: "04", From: "045"}, all[45:50]},
		"prefix, to":     {storage.Range{Prefix: "04", To: "045", Limit: 2}, all[40:42]},
		"nothing":        {storage.Range{Prefix: "x"}, nil},
		"upside down":    {storage.Range{From: "200", To: "100"}, nil},
		"outside prefix": {storage.Range{Prefix: "04", From: "1"}, nil},
	} {
		c.r.Table, c.r.Key1 = "storagetest", "a"
		var got []string
		for _, row := range list(t, s, c.r) {
			if row.Key != key("a", string(row.Value)) || row.Version == 0 || row.Epoch != 1 {
				t.Fatalf("%s: row %+v", name, row)
			}
			got = append(got, row.Key.Key2)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	n := 0
	for _, err := range s.List(t.Context(), storage.Range{Table: "storagetest", Key1: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break // ends the iteration and frees what it holds
		}
	}
}

// Rows that are there all the time are listed once each, in order, whatever
// happens around them.
func testListWhileWriting(t *testing.T, p Place) {
	s := open(t, p)
	const kept = 300
	for i := range kept {
		mustApply(t, s, 1, storage.Put(key("a", fmt.Sprintf("%04d", 2*i)), []byte("0"), 0))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			k := key("a", fmt.Sprintf("%04d", 2*(i%kept)+1))
			versions, err := s.Apply(t.Context(), 1, storage.Put(k, []byte("0"), 0))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Apply(t.Context(), 1, storage.Delete(k, versions[0])); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20 {
		last, found := "", 0
		for _, row := range list(t, s, storage.Range{Table: "storagetest", Key1: "a"}) {
			if row.Key.Key2 <= last {
				t.Errorf("%q after %q", row.Key.Key2, last)
			}
			last = row.Key.Key2
			if (last[3]-'0')%2 == 0 {
				found++
			}
		}
		if found != kept {
			t.Errorf("%d of %d rows were listed", found, kept)
		}
	}
	stop()
	writer.Wait()
}

// Many writers add one to a counter; each reads it anew after a conflict.
func testConcurrentWriters(t *testing.T, p Place) {
	s := open(t, p)
	const writers, adds = 8, 20
	mustApply(t, s, 1, storage.Put(key("counter", ""), []byte("0"), 0))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < adds; {
				row, err := s.Get(t.Context(), key("counter", ""))
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(string(row.Value), &n); err != nil {
					t.Error(err)
					return
				}
				switch _, err := s.Apply(t.Context(), 1, storage.Put(row.Key, []byte(fmt.Sprint(n+1)), row.Version)); {
				case err == nil:
					done++
				case !errors.Is(err, storage.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if row := mustGet(t, s, key("counter", "")); string(row.Value) != fmt.Sprint(writers*adds) {
		t.Errorf("the counter is %s, want %d", row.Value, writers*adds)
	}
}

// Owners of growing epochs take an actor over from each other, and old ones go
// on writing: none of their writes may be taken once a newer owner has written.
func testZombies(t *testing.T, p Place) {
	s := open(t, p)
	const owners = 8
	mustApply(t, s, 1, storage.Put(key("actor", ""), []byte("0"), 0))
	var mu sync.Mutex
	var newest uint64
	var wg sync.WaitGroup
	for epoch := uint64(2); epoch < 2+owners; epoch++ {
		wg.Go(func() {
			for range 20 {
				row, err := s.Get(t.Context(), key("actor", ""))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				before := newest
				mu.Unlock()
				_, err = s.Apply(t.Context(), epoch, storage.Put(row.Key, []byte(fmt.Sprint(epoch)), row.Version))
				mu.Lock()
				if err == nil {
					if epoch < before {
						t.Errorf("epoch %d wrote after epoch %d", epoch, before)
					}
					newest = max(newest, epoch)
				}
				mu.Unlock()
				if err != nil && !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrFenced) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Random batches, right ones and wrong ones, do to the store what they do to
// storage.Memory.
func testModel(t *testing.T, p Place) {
	model, random := storage.Memory(), rand.New(rand.NewPCG(5, 6))
	s := open(t, p)
	versions := make(map[storage.Key][2]uint64) // in the model and in the store
	epoch := uint64(1)
	for step := range 600 {
		if step%25 == 24 && !p.Volatile { // what the store remembers in memory is forgotten
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, p)
		}
		key1, used := fmt.Sprint(random.IntN(3)), make(map[string]bool)
		var ops [2][]storage.Op
		n := 1 + random.IntN(4)
		if p.OneRow {
			n = 1
		}
		for range n {
			k := key(key1, string(rune('a'+random.IntN(8))))
			if used[k.Key2] {
				continue
			}
			used[k.Key2] = true
			v := versions[k]
			if random.IntN(12) == 0 { // a version that was never there, or no version
				v = [][2]uint64{{1 << 60, 1 << 60}, {0, 0}}[random.IntN(2)]
			}
			for i := range ops {
				if random.IntN(2) == 0 && v[i] != 0 && i == 0 || i == 1 && ops[0][len(ops[0])-1].Delete {
					ops[i] = append(ops[i], storage.Delete(k, v[i]))
				} else {
					ops[i] = append(ops[i], storage.Put(k, fmt.Appendf(nil, "%d", step), v[i]))
				}
			}
		}
		by := epoch
		if random.IntN(10) == 0 {
			by--
		} else if random.IntN(10) == 0 {
			epoch++
			by = epoch
		}
		want, wantErr := model.Apply(t.Context(), by, ops[0]...)
		got, err := s.Apply(t.Context(), by, ops[1]...)
		if errors.Is(err, storage.ErrConflict) != errors.Is(wantErr, storage.ErrConflict) || errors.Is(err, storage.ErrFenced) != errors.Is(wantErr, storage.ErrFenced) || (err == nil) != (wantErr == nil) {
			t.Fatalf("step %d: epoch %d, %+v: %v, want %v", step, by, ops[1], err, wantErr)
		}
		if err != nil {
			continue
		}
		for i, op := range ops[1] {
			if op.Delete != (got[i] == 0) || !op.Delete && got[i] <= versions[op.Key][1] {
				t.Fatalf("step %d: version %d after %d: %+v", step, got[i], versions[op.Key][1], op)
			}
			versions[op.Key] = [2]uint64{want[i], got[i]}
		}
	}
	for key1 := range 3 {
		r := storage.Range{Table: "storagetest", Key1: fmt.Sprint(key1)}
		want, got := list(t, model, r), list(t, s, r)
		if len(want) != len(got) {
			t.Fatalf("%d rows, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i].Key != want[i].Key || string(got[i].Value) != string(want[i].Value) || got[i].Epoch != want[i].Epoch || got[i].Version != versions[want[i].Key][1] {
				t.Errorf("row %+v, want %+v", got[i], want[i])
			}
		}
	}
}

func testReopen(t *testing.T, p Place) {
	if p.Volatile {
		t.Skip("the place forgets everything at Close")
	}
	s := open(t, p)
	v := append(mustApply(t, s, 7, storage.Put(key("a", "kept"), []byte("1"), 0)), mustApply(t, s, 7, storage.Put(key("a", "gone"), []byte("2"), 0))...)
	mustApply(t, s, 7, storage.Delete(key("a", "gone"), v[1]))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, p)
	if row := mustGet(t, s, key("a", "kept")); string(row.Value) != "1" || row.Version != v[0] || row.Epoch != 7 {
		t.Errorf("row %+v", row)
	}
	if _, err := s.Get(t.Context(), key("a", "gone")); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the deleted row: %v", err)
	}
	if _, err := s.Apply(t.Context(), 6, storage.Put(key("a", "new"), []byte("0"), 0)); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("the epoch was forgotten: %v", err)
	}
	if again := mustApply(t, s, 7, storage.Put(key("a", "gone"), []byte("0"), 0))[0]; again <= v[1] {
		t.Errorf("version %d came again after %d", again, v[1])
	}
}

func testClose(t *testing.T, p Place) {
	s := open(t, p)
	mustApply(t, s, 1, storage.Put(key("a", ""), []byte("0"), 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key("a", "")); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Apply(t.Context(), 1, storage.Put(key("b", ""), []byte("0"), 0)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Apply: %v", err)
	}
	for _, err := range s.List(t.Context(), storage.Range{Table: "storagetest", Key1: "a"}) {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("List: %v", err)
		}
	}
	for _, err := range s.Scan(t.Context(), storage.Key{}) {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("Scan: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func testCancelled(t *testing.T, p Place) {
	s := open(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, key("a", "")); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Apply(ctx, 1, storage.Put(key("a", ""), []byte("0"), 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := s.Get(t.Context(), key("a", "")); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a cancelled write was done: %v", err)
	}
}
