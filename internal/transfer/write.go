// Package transfer moves rows between stores, and to and from JSON lines. Any
// of it may be interrupted and repeated: a row that is there already, with the
// same value, counts as written.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee/storage"
)

// Rows come in the order of their keys.
type Rows = iter.Seq2[storage.Row, error]

// Writer writes rows into a store, many at once.
type Writer struct {
	To      storage.Store
	Replace bool // rows that have another value in the store; without it they are errors

	// Done is called, when it is not nil, once all rows up to a key are as
	// durable as the store makes them; rows is their number.
	Done func(ctx context.Context, last storage.Key, rows int64) error

	// Counts of what was done with the rows.
	Written, Same, Replaced atomic.Int64
}

// Bounds of what is written at once: a batch is of one actor, and a wave is
// the batches that are written side by side.
const (
	batchRows  = 100
	batchBytes = 1 << 20
	waveSize   = 64
	parallel   = 32
)

// Write writes the rows.
func (w *Writer) Write(ctx context.Context, rows Rows) error {
	var wave [][]storage.Row
	var total int64
	size := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		last := len(wave) - 1
		if last < 0 || size+len(row.Value) > batchBytes || len(wave[last]) == batchRows || !samePartition(wave[last][0], row) {
			if len(wave) == waveSize {
				if err := w.flush(ctx, wave, total); err != nil {
					return err
				}
				wave = nil
			}
			wave, size = append(wave, nil), 0
			last = len(wave) - 1
		}
		wave[last] = append(wave[last], row)
		size += len(row.Value)
		total++
	}
	return w.flush(ctx, wave, total)
}

func samePartition(a, b storage.Row) bool {
	return a.Key.Table == b.Key.Table && a.Key.Key1 == b.Key.Key1
}

func (w *Writer) flush(ctx context.Context, wave [][]storage.Row, total int64) error {
	if len(wave) == 0 {
		return nil
	}
	group, batches := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, batch := range wave {
		group.Go(func() error { return w.put(batches, batch) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if w.Done == nil {
		return nil
	}
	end := wave[len(wave)-1]
	return w.Done(ctx, end[len(end)-1].Key, total)
}

// put writes rows of one actor.
func (w *Writer) put(ctx context.Context, rows []storage.Row) error {
	ops := make([]storage.Op, len(rows))
	var epoch uint64
	for i, row := range rows {
		ops[i] = storage.Op{Key: row.Key, Value: row.Value, Encoding: row.Encoding}
		epoch = max(epoch, row.Epoch)
	}
	_, err := w.To.Apply(ctx, epoch, ops...)
	var fenced *storage.FencedError
	for errors.As(err, &fenced) { // by rows of the same actor that were written in a later epoch
		_, err = w.To.Apply(ctx, fenced.Have, ops...)
	}
	switch {
	case err == nil:
		w.Written.Add(int64(len(rows)))
		return nil
	case len(rows) > 1 && (errors.Is(err, storage.ErrTooLarge) || errors.Is(err, storage.ErrConflict)):
		half := len(rows) / 2
		if err := w.put(ctx, rows[:half]); err != nil {
			return err
		}
		return w.put(ctx, rows[half:])
	case errors.Is(err, storage.ErrConflict):
		return w.existing(ctx, rows[0])
	}
	return fmt.Errorf("write %s: %w", rows[0].Key, err)
}

// existing deals with a row whose key is taken.
func (w *Writer) existing(ctx context.Context, row storage.Row) error {
	have, err := w.To.Get(ctx, row.Key)
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", row.Key, err)
	case Same(have, row):
		w.Same.Add(1)
		return nil
	case !w.Replace:
		return fmt.Errorf("%s is there already, with another value: use an empty store, or --replace", row.Key)
	}
	op := storage.Op{Key: row.Key, Value: row.Value, Encoding: row.Encoding, Version: have.Version}
	if _, err := w.To.Apply(ctx, max(row.Epoch, have.Epoch), op); err != nil {
		return fmt.Errorf("replace %s: %w", row.Key, err)
	}
	w.Replaced.Add(1)
	return nil
}
