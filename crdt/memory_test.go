package crdt_test

import (
	"context"
	"sync"

	"github.com/mallee-io/mallee/crdt"
)

// memory is the Replica of one value on the only node of its cluster.
type memory struct {
	mu      sync.Mutex
	value   *crdt.Value
	deleted bool
	broken  error // what everything fails with
}

var here = crdt.Dot{Replica: 1, Seq: 1}

func (m *memory) Read(f func(*crdt.Value, crdt.Electorate)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return err
	}
	f(m.value, crdt.Electorate{Self: here.Replica, Members: []crdt.ReplicaID{1, 2, 3}})
	return nil
}

func (m *memory) Change(d *crdt.Delta) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return err
	}
	v := m.value
	if v == nil {
		v = crdt.NewValue(d.Kind)
	}
	if err := v.Change(here, 1000, d); err != nil {
		return err
	}
	m.value = v
	return nil
}

func (m *memory) Count(k crdt.Kind, change int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(); err != nil {
		return 0, err
	}
	if m.value == nil {
		m.value = crdt.NewValue(k)
	}
	if m.value.Kind() != k {
		return 0, crdt.ErrKind
	}
	return m.value.Count(here, change)
}

func (m *memory) failure() error {
	if m.deleted {
		return crdt.ErrDeleted
	}
	return m.broken
}

func (m *memory) Delete() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value, m.deleted = nil, true
	return nil
}

func (m *memory) Deleted() bool                                { return m.deleted }
func (m *memory) Wait(context.Context, crdt.Consistency) error { return m.broken }
func (m *memory) Refresh(context.Context) error                { return m.broken }
func (m *memory) Watch() (<-chan struct{}, func())             { return nil, func() {} }
func (m *memory) Revision() uint32                             { return 0 }
