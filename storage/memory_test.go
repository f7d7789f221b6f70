package storage_test

import (
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/storagetest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(*testing.T) storagetest.Place {
		return storagetest.Place{Open: func() (storage.Store, error) { return storage.Memory(), nil }, Volatile: true}
	})
}

func TestMemoryDoesNotShareValues(t *testing.T) {
	t.Parallel()
	ctx, key := t.Context(), storage.Key{Table: "t", Key1: "a"}
	s := storage.Memory()
	value := []byte("x")
	if _, err := s.Apply(ctx, 1, storage.PutBytes(key, value, 0)); err != nil {
		t.Fatal(err)
	}
	value[0] = 'y'
	row, err := s.Get(ctx, key)
	if err != nil || string(row.Value) != "x" {
		t.Fatalf("%s, %v", row.Value, err)
	}
	row.Value[0] = 'z'
	if row, _ := s.Get(ctx, key); string(row.Value) != "x" {
		t.Error("a reader changed the store")
	}
}
