package storagetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

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
