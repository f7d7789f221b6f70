package placement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/mallee-io/mallee/storage"
)

// epochs hands out numbers that grow, also across restarts: the store
// remembers which are taken, a block at a time.
type epochs struct {
	store storage.Store

	mu   sync.Mutex
	next uint64
	end  uint64 // of the block, which does not contain it
}

// block is how many epochs are taken from the store at once; there are 1<<43
// blocks before the epochs end.
const block = 1 << 20

var epochsKey = storage.Key{Table: "placement", Key1: "epochs"}

// reserved is the value of the epochs' row.
type reserved struct {
	Next uint64 `json:"next"`
}

func (e *epochs) take(ctx context.Context) (uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next == e.end {
		if err := e.reserve(ctx); err != nil {
			return 0, err
		}
	}
	e.next++
	return e.next - 1, nil
}

// reserve takes the next block from the store.
func (e *epochs) reserve(ctx context.Context) error {
	for {
		row, err := e.store.Get(ctx, epochsKey)
		taken := reserved{Next: block} // the first programs did not use the store and counted from 1
		switch {
		case errors.Is(err, storage.ErrNotFound):
		case err != nil:
			return fmt.Errorf("reserve epochs: %w", err)
		default:
			if err := json.Unmarshal(row.Value, &taken); err != nil || taken.Next == 0 {
				return fmt.Errorf("reserve epochs: the row %s of the store is damaged: %q", epochsKey, row.Value)
			}
		}
		value, err := json.Marshal(reserved{Next: taken.Next + block})
		if err != nil {
			return fmt.Errorf("reserve epochs: %w", err)
		}
		_, err = e.store.Apply(ctx, 0, storage.Put(epochsKey, value, row.Version))
		if errors.Is(err, storage.ErrConflict) {
			continue // another process was faster
		}
		if err != nil {
			return fmt.Errorf("reserve epochs: %w", err)
		}
		e.next, e.end = taken.Next, taken.Next+block
		return nil
	}
}
