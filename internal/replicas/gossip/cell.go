package gossip

import (
	"fmt"
	"sync/atomic"

	"github.com/mallee-io/mallee/crdt"
)

// Cell is one value's copy; it implements crdt.Replica but for Wait and Refresh. It
// is small, and keeps nothing as long as there is no value.
type Cell struct {
	values *Values
	name   string
	slot   atomic.Pointer[slot] // where the value was found last
}

// Read calls f with the copy, as crdt.Replica says; with ErrDeleted there is none any
// more. f must not use any other copy.
func (c *Cell) Read(f func(v *crdt.Value, e crdt.Electorate)) error {
	s := c.lock(false)
	if s == nil {
		f(nil, *c.values.electorate.Load())
		return nil
	}
	defer s.mu.Unlock()
	if s.deleted {
		return crdt.ErrDeleted
	}
	f(s.value, *c.values.electorate.Load())
	return nil
}

// Total reads a counter, without the allocations that Read costs its callers.
func (c *Cell) Total(k crdt.Kind) (int64, error) {
	s := c.lock(false)
	if s == nil {
		return 0, nil
	}
	defer s.mu.Unlock()
	switch {
	case s.deleted:
		return 0, crdt.ErrDeleted
	case s.value != nil && s.value.Kind() != k:
		return 0, crdt.ErrKind
	}
	return s.value.Total(), nil
}

// Deleted reports whether the value has been deleted.
func (c *Cell) Deleted() bool {
	s := c.lock(false)
	if s == nil {
		return false
	}
	defer s.mu.Unlock()
	return s.deleted
}

// Change changes the copy.
func (c *Cell) Change(d *crdt.Delta) error {
	if d == nil {
		return fmt.Errorf("%w: there is none", crdt.ErrIllegal)
	}
	size := d.Size()
	if size > MaxChange {
		return fmt.Errorf("%w: it has %d bytes, and at most %d travel", crdt.ErrIllegal, size, MaxChange)
	}
	for {
		err := c.change(d.Kind, int64(size), func(v *crdt.Value, at crdt.Dot) error {
			return v.Change(at, c.values.now(), d)
		})
		if err != errFull {
			return err
		}
		c.values.sealLarge()
	}
}

// Count changes a counter.
func (c *Cell) Count(kind crdt.Kind, change int64) (value int64, err error) {
	err = c.change(kind, 0, func(v *crdt.Value, at crdt.Dot) (err error) {
		value, err = v.Count(at, change)
		return err
	})
	return value, err
}

// change lets f change the value, which brings about size bytes to the batch.
func (c *Cell) change(kind crdt.Kind, size int64, f func(*crdt.Value, crdt.Dot) error) error {
	s, err := c.enter()
	if err != nil {
		return err
	}
	changed := false
	defer func() {
		if !changed && size > 0 {
			c.values.size.Add(-size)
		}
		c.leave(s, changed)
	}()
	if size > 0 && c.values.size.Add(size) > openSize {
		return errFull
	}
	value := s.value
	if value == nil {
		value = crdt.NewValue(kind)
	}
	if value.Kind() != kind {
		return crdt.ErrKind
	}
	if err := f(value, c.values.at); err != nil {
		return err
	}
	if changed = s.value == nil || s.dirty || value.Pending(); !changed {
		s.revision++
	}
	if s.value == nil {
		c.values.put(s, value, false) // even if it is empty: others learn its kind
	}
	return nil
}

// Delete deletes the value; again, it changes nothing.
func (c *Cell) Delete() error {
	s, err := c.enter()
	if err == crdt.ErrDeleted {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.leave(s, true)
	c.values.put(s, nil, true)
	return nil
}

// Watch gives a channel that gets a value after changes.
func (c *Cell) Watch() (changes <-chan struct{}, stop func()) {
	s := c.lock(true)
	defer s.mu.Unlock()
	w := &watcher{changes: make(chan struct{}, 1), next: s.watch}
	s.watch = w
	return w.changes, func() {
		s.mu.Lock()
		s.ignore(w)
		s.mu.Unlock()
		c.values.slots.evict(s)
	}
}

// Revision tells changes from others', as crdt.Replica says.
func (c *Cell) Revision() uint32 {
	s := c.lock(false)
	if s == nil {
		return 0
	}
	defer s.mu.Unlock()
	return s.revision
}

// lock locks the value's slot. If there is none it is made, or nil.
func (c *Cell) lock(make bool) *slot {
	for {
		s := c.slot.Load()
		if s == nil {
			if s = c.values.slots.find(c.name, make); s == nil {
				return nil
			}
			c.slot.Store(s)
		}
		s.mu.Lock()
		if !s.gone {
			return s
		}
		s.mu.Unlock()
		c.slot.CompareAndSwap(s, nil)
	}
}

// enter locks the value's slot for a change. If it is not dirty, Values.mu is held
// for reading too. leave has to follow.
func (c *Cell) enter() (*slot, error) {
	if s := c.slot.Load(); s != nil {
		s.mu.Lock()
		if s.dirty && !s.deleted {
			return s, nil
		}
		s.mu.Unlock()
	}
	if len(c.name) == 0 || len(c.name) > MaxName {
		return nil, fmt.Errorf("%w: the name has %d bytes, of 1 to %d", crdt.ErrIllegal, len(c.name), MaxName)
	}
	c.values.mu.RLock()
	if err := c.values.closed(); err != nil {
		c.values.mu.RUnlock()
		return nil, err
	}
	s := c.lock(true)
	if s.deleted {
		s.mu.Unlock()
		c.values.mu.RUnlock()
		return nil, crdt.ErrDeleted
	}
	if s.dirty {
		c.values.mu.RUnlock()
	}
	return s, nil
}

// closed is why nothing can be changed here. mu is held.
func (v *Values) closed() error {
	switch {
	case v.ended:
		return ErrEnded
	case v.at.Replica == 0:
		return ErrNotBegun
	}
	return nil
}

func (c *Cell) leave(s *slot, changed bool) {
	v := c.values
	if changed {
		s.tell()
	}
	if !s.dirty {
		if changed {
			v.soil(s)
		}
		v.mu.RUnlock()
	}
	empty := s.empty()
	s.mu.Unlock()
	if empty {
		v.slots.evict(s)
	}
	if v.size.Load() > sealSize {
		v.sealLarge()
	}
}
