package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mallee-io/mallee/storage"
)

// markTable holds, in a store that is being copied to, how far the copy has
// come. It is no part of the data.
const markTable = "mallee.copy"

// Select yields the rows of a store from a key on: of some tables, or of all
// when none is named.
func Select(ctx context.Context, s storage.Store, from storage.Key, tables []string) Rows {
	return func(yield func(storage.Row, error) bool) {
		for row, err := range s.Scan(ctx, from) {
			skip := err == nil && (row.Key.Table == markTable || len(tables) > 0 && !slices.Contains(tables, row.Key.Table))
			if !skip && !yield(row, err) {
				return
			}
		}
	}
}

// Count counts rows. Progress may be nil.
func Count(rows Rows, progress func(rows int64)) (n int64, err error) {
	for _, err := range rows {
		if err != nil {
			return n, err
		}
		if n++; progress != nil {
			progress(n)
		}
	}
	return n, nil
}

// Copy copies rows from one store to another, and goes on where a copy of the
// same name was interrupted.
type Copy struct {
	From     storage.Store
	Tables   []string // empty: all
	Writer   *Writer
	Name     string // of the source, for those who go on; it must not hold a password
	Progress func(rows int64)
}

// mark is the value of the row that tells how far a copy has come.
type mark struct {
	Last storage.Key `json:"last"` // all rows up to it are there
	Rows int64       `json:"rows"`
}

func (c *Copy) key() storage.Key {
	name, _ := json.Marshal(append([]string{c.Name}, c.Tables...)) //nolint:errchkjson // strings always encode
	return storage.Key{Table: markTable, Key1: string(name)}
}

// Run copies. It returns how many rows had been copied before.
func (c *Copy) Run(ctx context.Context) (before int64, err error) {
	var m mark
	row, err := c.Writer.To.Get(ctx, c.key())
	switch {
	case errors.Is(err, storage.ErrNotFound):
	case err != nil:
		return 0, err
	default:
		if err := json.Unmarshal(row.Value, &m); err != nil {
			return 0, fmt.Errorf("decode the mark of the copy %s: %w", c.key(), err)
		}
	}
	version, start := row.Version, m.Last
	if start != (storage.Key{}) {
		start.Key2 += "\x00" // the least key after it
	}
	before = m.Rows
	c.Writer.Done = func(ctx context.Context, last storage.Key, rows int64) error {
		value, err := json.Marshal(mark{last, before + rows})
		if err != nil {
			return err
		}
		versions, err := c.Writer.To.Apply(ctx, 0, storage.Put(c.key(), value, version))
		if err != nil {
			return fmt.Errorf("mark how far the copy is: %w", err)
		}
		version = versions[0]
		if c.Progress != nil {
			c.Progress(before + rows)
		}
		return nil
	}
	if err := c.Writer.Write(ctx, Select(ctx, c.From, start, c.Tables)); err != nil {
		return before, err
	}
	if version == 0 {
		return before, nil
	}
	if _, err := c.Writer.To.Apply(ctx, 0, storage.Delete(c.key(), version)); err != nil {
		return before, fmt.Errorf("remove the mark of the copy: %w", err)
	}
	return before, nil
}
