package gossip

import (
	"fmt"

	"github.com/mallee-io/mallee/crdt"
)

// Apply applies the next batch of another replica, sealing the open one first, so
// that what this replica changes afterwards has seen it and what it has changed
// before has not. Early: something has to be applied before it; it was not. What
// has been seen already changes nothing. The batch is one that was sealed or parsed.
func (v *Values) Apply(b *Batch) (early bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.clock.Covers(b.At):
		return false, nil
	case b.At.Replica == v.at.Replica:
		return false, fmt.Errorf("batch %d of this replica, which has not made it yet", b.At.Seq)
	case b.At.Seq != v.clock.Seen(b.At.Replica)+1 || !v.ready(&b.Seen):
		return true, nil
	}
	v.seal()
	for rest := b.Body; len(rest) > 0; {
		var name, effect []byte
		if name, effect, rest, err = cutChange(rest); err == nil {
			err = v.apply(b, string(name), effect)
		}
		if err != nil {
			return false, fmt.Errorf("batch %d of replica %d: %w", b.At.Seq, b.At.Replica, err)
		}
	}
	v.clock.See(b.At)
	return false, nil
}

// ready reports whether all has been seen that a batch's replica had seen. What that
// one had forgotten is forgotten.
func (v *Values) ready(seen *crdt.Clock) bool {
	if v.clock.Includes(seen) {
		return true
	}
	learned := v.clock.Clone()
	if learned.Learn(seen); !learned.Includes(seen) {
		return false
	}
	v.learn(seen)
	return true
}

func (v *Values) apply(b *Batch, name string, effect []byte) error {
	if effect == nil {
		v.delete(name)
		return nil
	}
	kind, err := crdt.EffectKind(effect)
	if err != nil {
		return err
	}
	s := v.slots.lock(name)
	defer s.mu.Unlock()
	if s.deleted || s.value != nil && s.value.Kind() < kind {
		return nil
	}
	value := s.value
	if value == nil || value.Kind() > kind {
		value = crdt.NewValue(kind)
	}
	changed, err := value.Apply(b.At, &b.Seen, effect)
	if err != nil {
		return err
	}
	if changed || value != s.value {
		v.put(s, value, false)
		s.tell()
	}
	return nil
}

// delete is called with mu held.
func (v *Values) delete(name string) {
	s := v.slots.lock(name)
	defer s.mu.Unlock()
	if !s.deleted {
		v.put(s, nil, true)
		s.tell()
	}
}

// Merge takes in all that another process has, and what it has seen: theirs, which
// must not be used any more. What they have no entry for is nothing that they have
// seen and removed, as values stay, however empty, until the mark of their deletion.
func (v *Values) Merge(theirs *Values) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seal()
	if own := v.at.Replica; own != 0 && theirs.clock.Seen(own) >= v.at.Seq {
		return fmt.Errorf("another process has seen batch %d of this replica, which has made %d", theirs.clock.Seen(own), v.at.Seq-1)
	}
	v.take(theirs)
	for s := range theirs.slots.all() {
		if err := v.merge(s, &theirs.clock); err != nil {
			return fmt.Errorf("merge of %q: %w", s.name, err)
		}
	}
	v.clock.Merge(&theirs.clock)
	return nil
}

// take takes over what theirs have where there is nothing here, not even a watcher.
// That costs nothing for each value: a newcomer's changes need not wait for millions.
func (v *Values) take(theirs *Values) {
	values, deleted := theirs.values.Load(), theirs.deleted.Load()
	for i := range theirs.slots {
		v.slots[i].take(&theirs.slots[i])
	}
	for s := range theirs.slots.all() { // what is left there will be merged
		values -= count(s.value != nil)
		deleted -= count(s.deleted)
	}
	v.values.Add(values)
	v.deleted.Add(deleted)
}

func (v *Values) merge(theirs *slot, clock *crdt.Clock) error {
	if theirs.deleted {
		v.delete(theirs.name)
		return nil
	}
	if theirs.value == nil {
		return nil
	}
	s := v.slots.lock(theirs.name)
	defer s.mu.Unlock()
	changed := true
	switch {
	case s.deleted || s.value != nil && s.value.Kind() < theirs.value.Kind():
		return nil
	case s.value == nil || s.value.Kind() > theirs.value.Kind():
		v.put(s, theirs.value, false)
	default:
		var err error
		if changed, err = s.value.Merge(&v.clock, theirs.value, clock); err != nil {
			return err
		}
	}
	if changed {
		s.tell()
	}
	return nil
}
