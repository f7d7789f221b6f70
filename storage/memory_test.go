package storage_test

import (
	"errors"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

func key(key2 string) storage.Key { return storage.Key{Table: "t", Key1: "a", Key2: key2} }

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := storage.Memory()
	versions, err := s.Apply(ctx, 5, storage.Put(key(""), []byte("x"), 0), storage.Put(key("b"), []byte("y"), 0))
	if err != nil || len(versions) != 2 || versions[0] == 0 || versions[1] == 0 {
		t.Fatalf("%v, %v", versions, err)
	}
	var conflict *storage.ConflictError
	if _, err := s.Apply(ctx, 5, storage.Put(key("c"), nil, 0), storage.Put(key("b"), nil, 99)); !errors.As(err, &conflict) ||
		!errors.Is(err, storage.ErrConflict) || conflict.Have != versions[1] || conflict.Want != 99 {
		t.Errorf("got %v", err)
	}
	if _, err := s.Get(ctx, key("c")); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("half of a refused batch is there: %v", err)
	}
	var fenced *storage.FencedError
	if _, err := s.Apply(ctx, 4, storage.Put(key(""), nil, versions[0])); !errors.As(err, &fenced) ||
		!errors.Is(err, storage.ErrFenced) || fenced.Have != 5 || fenced.Want != 4 {
		t.Errorf("got %v", err)
	}
	if versions, err := s.Apply(ctx, 6, storage.Delete(key(""), versions[0])); err != nil || versions[0] != 0 {
		t.Errorf("delete: %v, %v", versions, err)
	}
	if _, err := s.Apply(ctx, 6, storage.Delete(key(""), 0)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("deleting nothing: %v", err)
	}
	// A row that comes back has a version that it never had.
	again, err := s.Apply(ctx, 6, storage.Put(key(""), nil, 0))
	if err != nil || again[0] <= versions[1] {
		t.Errorf("%v, %v", again, err)
	}
}

func TestValuesAreNotShared(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := storage.Memory()
	value := []byte("x")
	if _, err := s.Apply(ctx, 1, storage.Put(key(""), value, 0)); err != nil {
		t.Fatal(err)
	}
	value[0] = 'y'
	row, err := s.Get(ctx, key(""))
	if err != nil || string(row.Value) != "x" {
		t.Fatalf("%s, %v", row.Value, err)
	}
	row.Value[0] = 'z'
	if row, _ := s.Get(ctx, key("")); string(row.Value) != "x" {
		t.Error("a reader changed the store")
	}
}

func TestBatchesOfSeveralActorsAreRefused(t *testing.T) {
	t.Parallel()
	s := storage.Memory()
	other := storage.Key{Table: "t", Key1: "b"}
	if _, err := s.Apply(t.Context(), 1, storage.Put(key(""), nil, 0), storage.Put(other, nil, 0)); err == nil {
		t.Error("a batch of two actors was done")
	}
	if _, err := s.Apply(t.Context(), 1, storage.Put(key(""), nil, 0), storage.Put(key(""), nil, 0)); err == nil {
		t.Error("one row twice in a batch was done")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key("")); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
