// Package storagetest is the suite that every storage backend passes.
package storagetest

import (
	"context"
	"errors"
	"fmt"
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
