package storage

import (
	"bytes"
	"context"
	"fmt"
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

func (m *memory) Apply(ctx context.Context, epoch uint64, ops ...Op) ([]uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
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
	if err := p.check(at, epoch, ops); err != nil {
		return nil, err
	}
	m.partitions[at] = p
	return p.write(epoch, ops), nil
}

func (p *partition) check(at partitionKey, epoch uint64, ops []Op) error {
	if epoch < p.epoch {
		return &FencedError{Key: ops[0].Key, Have: p.epoch, Want: epoch}
	}
	seen := make(map[string]bool, len(ops))
	for _, op := range ops {
		if (partitionKey{op.Key.Table, op.Key.Key1}) != at {
			return fmt.Errorf("batch spans %s and %s: one batch is one table and key1", ops[0].Key, op.Key)
		}
		if seen[op.Key.Key2] {
			return fmt.Errorf("batch writes %s twice", op.Key)
		}
		seen[op.Key.Key2] = true
		if have := p.rows[op.Key.Key2].Version; have != op.Version || op.Delete && have == 0 {
			return &ConflictError{Key: op.Key, Have: have, Want: op.Version}
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
		p.rows[op.Key.Key2] = Row{Key: op.Key, Value: bytes.Clone(op.Value), Version: p.last, Epoch: epoch}
		versions[i] = p.last
	}
	return versions
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
