package storage

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that lives as long as the process: for tests and for
// development.
func Memory() Store { return &memory{partitions: make(map[partitionKey]*partition)} }

type memory struct {
	mu         sync.RWMutex
	closed     bool
	partitions map[partitionKey]*partition
}

// partition is what one actor has in one table: the unit of Apply and of
// fencing. Its epoch stays when its last row is deleted.
type partition struct {
	epoch uint64
	last  uint64 // newest version given out
	rows  map[string]Row
}

type partitionKey struct{ table, key1 string }

func (m *memory) Get(ctx context.Context, key Key) (Row, error) {
	if err := ctx.Err(); err != nil {
		return Row{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Row{}, ErrClosed
	}
	if p := m.partitions[partitionKey{key.Table, key.Key1}]; p != nil {
		if row, ok := p.rows[key.Key2]; ok {
			row.Value = bytes.Clone(row.Value)
			return row, nil
		}
	}
	return Row{}, fmt.Errorf("%s: %w", key, ErrNotFound)
}

func (m *memory) List(ctx context.Context, r Range) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, err := m.rows(r)
		if err != nil {
			yield(Row{}, err)
			return
		}
		for _, row := range rows {
			if err := ctx.Err(); err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (m *memory) Scan(ctx context.Context, from Key) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, at := range m.partitionsFrom(partitionKey{from.Table, from.Key1}) {
			r := Range{Table: at.table, Key1: at.key1}
			if at.table == from.Table && at.key1 == from.Key1 {
				r.From = from.Key2
			}
			for row, err := range m.List(ctx, r) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
		if err := m.check(ctx); err != nil {
			yield(Row{}, err)
		}
	}
}

func (m *memory) partitionsFrom(from partitionKey) []partitionKey {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []partitionKey
	for at := range m.partitions {
		if at.compare(from) >= 0 {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, partitionKey.compare)
	return found
}

func (p partitionKey) compare(o partitionKey) int {
	return cmp.Or(strings.Compare(p.table, o.table), strings.Compare(p.key1, o.key1))
}

// rows copies a range.
func (m *memory) rows(r Range) ([]Row, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, ErrClosed
	}
	var rows []Row
	if p := m.partitions[partitionKey{r.Table, r.Key1}]; p != nil {
		for key2, row := range p.rows {
			if r.Contains(key2) {
				rows = append(rows, row)
			}
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.Key.Key2, b.Key.Key2) })
	if r.Limit > 0 && len(rows) > r.Limit {
		rows = rows[:r.Limit]
	}
	for i := range rows {
		rows[i].Value = bytes.Clone(rows[i].Value)
	}
	return rows, nil
}

func (m *memory) Apply(ctx context.Context, epoch uint64, ops ...Op) ([]uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if err := CheckBatch(epoch, ops); err != nil {
		return nil, err
	}
	at := partitionKey{ops[0].Key.Table, ops[0].Key.Key1}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	p := m.partitions[at]
	if p == nil {
		p = &partition{rows: make(map[string]Row)}
	}
	if err := p.check(epoch, ops); err != nil {
		return nil, err
	}
	m.partitions[at] = p
	return p.write(epoch, ops), nil
}

func (p *partition) check(epoch uint64, ops []Op) error {
	if epoch < p.epoch {
		return &FencedError{Key: ops[0].Key, Have: p.epoch, Want: epoch}
	}
	for _, op := range ops {
		if err := op.CheckVersion(p.rows[op.Key.Key2].Version); err != nil {
			return err
		}
	}
	return nil
}

func (p *partition) write(epoch uint64, ops []Op) []uint64 {
	p.epoch = epoch
	versions := make([]uint64, len(ops))
	for i, op := range ops {
		if op.Delete {
			delete(p.rows, op.Key.Key2)
			continue
		}
		p.last++
		p.rows[op.Key.Key2] = Row{Key: op.Key, Value: bytes.Clone(op.Value), Encoding: op.Encoding, Version: p.last, Epoch: epoch}
		versions[i] = p.last
	}
	return versions
}

func (m *memory) check(ctx context.Context) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
