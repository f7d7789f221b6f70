package placement_test

import (
	"sync"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// However often processes start on one store, side by side too, no epoch comes
// twice and each process's own ones grow.
func TestEpochsGrowAcrossRestarts(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	for range 3 {
		var processes sync.WaitGroup
		for range 4 {
			d := placement.Solo(store)
			if _, err := d.Join(t.Context(), placement.Member{Types: []placement.Type{{Name: "P"}}}, nil); err != nil {
				t.Fatal(err)
			}
			processes.Go(func() {
				last := uint64(0)
				for range 100 {
					g, err := d.Locate(t.Context(), 0, mallee.ID{Type: "P", Key: "1"})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if g.Epoch <= last || seen[g.Epoch] {
						t.Errorf("epoch %d after %d, seen before: %t", g.Epoch, last, seen[g.Epoch])
					}
					seen[g.Epoch], last = true, g.Epoch
					mu.Unlock()
				}
			})
		}
		processes.Wait()
	}
}

func TestEpochsThatAreDamaged(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	if _, err := store.Apply(t.Context(), 0, storage.Put(storage.Key{Table: "placement", Key1: "epochs"}, []byte(`{"next":"x"}`), 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := placement.Solo(store).Join(t.Context(), placement.Member{}, nil); err == nil {
		t.Error("a node joined that does not know its epochs")
	}
}
