// Package storagetest is the suite that every storage backend passes.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
}

// Run runs the suite. fresh makes an empty place; it is called once for each
// test, and tests run side by side.
func Run(t *testing.T, fresh func(t *testing.T) Place) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, p Place){
		"Versions":          testVersions,
		"Fencing":           testFencing,
		"Batches":           testBatches,
		"OddKeys":           testOddKeys,
		"LargeValues":       testLargeValues,
		"List":              testList,
		"ListWhileWriting":  testListWhileWriting,
		"ConcurrentWriters": testConcurrentWriters,
		"Zombies":           testZombies,
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
	if third := mustApply(t, s, 2, storage.Put(k, nil, 0))[0]; third <= second {
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
	v := mustApply(t, s, 1, storage.Put(key("a", "1"), []byte("1"), 0), storage.Put(key("a", "2"), []byte("2"), 0))
	for name, ops := range map[string][]storage.Op{
		"conflict at the end": {storage.Put(key("a", "3"), nil, 0), storage.Delete(key("a", "1"), v[0]), storage.Put(key("a", "2"), nil, v[1]+1)},
		"two actors":          {storage.Put(key("a", "3"), nil, 0), storage.Put(key("b", "3"), nil, 0)},
		"one row twice":       {storage.Put(key("a", "3"), nil, 0), storage.Put(key("a", "3"), nil, 0)},
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
	mustApply(t, s, 1, storage.Delete(key("a", "1"), v[0]), storage.Put(key("a", "2"), []byte("new"), v[1]), storage.Put(key("a", "3"), nil, 0))
	if row := mustGet(t, s, key("a", "2")); string(row.Value) != "new" {
		t.Errorf("row %+v", row)
	}
}

// odd keys, none of which may be taken for another one.
var odd = []string{"", "\x00", "\x00\x00", "a", "a\x00", "a\x00b", "a\x01", "a/b", "a'b\"c\\", "%00", "日本", "\u0301", " ", strings.Repeat("k", 4096)}

func testOddKeys(t *testing.T, p Place) {
	s := open(t, p)
	for _, key1 := range odd {
		for _, key2 := range odd {
			k := key(key1, key2)
			if k.Key1 == "" {
				continue // an actor's key is never empty
			}
			mustApply(t, s, 1, storage.Put(k, []byte(fmt.Sprintf("%q %q", key1, key2)), 0))
		}
	}
	for _, key1 := range odd[1:] {
		for _, key2 := range odd {
			if row := mustGet(t, s, key(key1, key2)); string(row.Value) != fmt.Sprintf("%q %q", key1, key2) {
				t.Errorf("under %.20q, %.20q is %.60q", key1, key2, row.Value)
			}
		}
		if rows := list(t, s, storage.Range{Table: "storagetest", Key1: key1}); len(rows) != len(odd) {
			t.Errorf("%.20q has %d rows, want %d", key1, len(rows), len(odd))
		}
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
		mustApply(t, s, 1, storage.Put(k, value, 0))
		if row := mustGet(t, s, k); !bytes.Equal(row.Value, value) {
			t.Errorf("a value of %d bytes changed", size)
		}
	}
}

func list(t *testing.T, s storage.Store, r storage.Range) []storage.Row {
	t.Helper()
	var rows []storage.Row
	for row, err := range s.List(t.Context(), r) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func testList(t *testing.T, p Place) {
	s := open(t, p)
	var all []string
	for i := range 500 {
		key2 := fmt.Sprintf("%03d", (i*7)%500)
		mustApply(t, s, 1, storage.Put(key("a", key2), []byte(key2), 0))
		all = append(all, fmt.Sprintf("%03d", i))
	}
	mustApply(t, s, 1, storage.Put(key("a0", "000"), nil, 0)) // neighbours
	mustApply(t, s, 1, storage.Put(storage.Key{Table: "storagetes", Key1: "ta", Key2: "000"}, nil, 0))
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
		mustApply(t, s, 1, storage.Put(key("a", fmt.Sprintf("%04d", 2*i)), nil, 0))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			k := key("a", fmt.Sprintf("%04d", 2*(i%kept)+1))
			versions, err := s.Apply(t.Context(), 1, storage.Put(k, nil, 0))
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

func testReopen(t *testing.T, p Place) {
	if p.Volatile {
		t.Skip("the place forgets everything at Close")
	}
	s := open(t, p)
	v := mustApply(t, s, 7, storage.Put(key("a", "kept"), []byte("1"), 0), storage.Put(key("a", "gone"), []byte("2"), 0))
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
	if _, err := s.Apply(t.Context(), 6, storage.Put(key("a", "new"), nil, 0)); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("the epoch was forgotten: %v", err)
	}
	if again := mustApply(t, s, 7, storage.Put(key("a", "gone"), nil, 0))[0]; again <= v[1] {
		t.Errorf("version %d came again after %d", again, v[1])
	}
}

func testClose(t *testing.T, p Place) {
	s := open(t, p)
	mustApply(t, s, 1, storage.Put(key("a", ""), nil, 0))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key("a", "")); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.Apply(t.Context(), 1, storage.Put(key("b", ""), nil, 0)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("Apply: %v", err)
	}
	for _, err := range s.List(t.Context(), storage.Range{Table: "storagetest", Key1: "a"}) {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("List: %v", err)
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
	if _, err := s.Apply(ctx, 1, storage.Put(key("a", ""), nil, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := s.Get(t.Context(), key("a", "")); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("a cancelled write was done: %v", err)
	}
}
