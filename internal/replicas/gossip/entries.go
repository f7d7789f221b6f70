package gossip

import (
	"errors"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
)

// Entry is one value, a part of it, or the mark of a deleted one, as it is sent to who
// needs all.
type Entry struct {
	Name      string
	Deleted   bool
	Continues bool   // the value: another entry has had what comes before in it
	State     []byte // of crdt.Value.AppendPart; empty when deleted
}

// Entries gives the values that come after a cursor, "" at first, until they have
// size bytes, but at least something, and the cursor after them: "" at the end. A set
// or ORMap that is too large is divided. What is open is sealed first, but nothing
// waits while they are read: what is changed meanwhile may be in them.
//
// To have another process's state: take its Clock, read all entries, while it goes
// on, and then the batches that it has seen since that Clock, its own sealed ones
// included: Seal has to be called before. NewStaged puts them together.
func (v *Values) Entries(after string, size int) (entries []Entry, next string, err error) {
	c, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	v.mu.Lock()
	v.seal()
	v.mu.Unlock()
	for ; c.bucket < buckets; c = (cursor{bucket: c.bucket + 1}) {
		for _, s := range v.slots[c.bucket].sorted() {
			if c.passed(s.name) {
				continue
			}
			if size <= 0 && len(entries) > 0 {
				return entries, c.String(), nil
			}
			e, from, ok := s.entry(c.from, size)
			if ok {
				entries = append(entries, e)
				size -= len(e.Name) + len(e.State)
			}
			if c.name, c.from = s.name, from; from != "" {
				return entries, c.String(), nil
			}
		}
	}
	return entries, "", nil
}

// entry is the value's part from somewhere on, "" at first; next is where another one
// begins, if there is one.
func (s *slot) entry(from string, size int) (e Entry, next string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = Entry{Name: s.name, Deleted: s.deleted}
	if s.value != nil {
		e.Continues = from != ""
		e.State, next = s.value.AppendPart(nil, from, size)
	}
	return e, next, s.deleted || s.value != nil
}

// NewStaged is where another process's state, or the store's, is put together: Load
// takes its entries, read one after another since its clock was since; then Apply,
// the batches that it has seen since then; then Merge of other Values, all at once.
// Entries have some of those batches in them already, and others not: only when all
// are applied is what is staged as its clock says.
//
// That goes for the parts of one value as it does for values, because nothing that a
// batch does to an element, or at a key, depends on what is at others: each element is
// as it was at some time since, and has what was before in it. All that comes later
// is applied to all of them: an element that was removed behind the cursor, or was
// added there, is so by a batch of these. So is a value that has been replaced between
// two parts by one of a lower kind, or deleted: of the new one there was nothing
// before, and the part that comes next takes the place of what was loaded.
func NewStaged(since *crdt.Clock) *Values {
	v := NewValues(nil)
	v.clock = since.Clone()
	return v
}

// Load takes entries in, in the place of those of the same name, or of the same part
// of it. Only Values that are staged do so. After an error nothing has changed.
func (v *Values) Load(entries []Entry) error {
	if v.now != nil {
		return errors.New("entries are only loaded into values that are staged")
	}
	values := make([]*crdt.Value, len(entries))
	for i, e := range entries {
		var err error
		if len(e.Name) == 0 || len(e.Name) > MaxName {
			return fmt.Errorf("a name of %d bytes: %w", len(e.Name), crdt.ErrMalformed)
		}
		if e.Deleted {
			if e.Continues {
				return fmt.Errorf("value %q is deleted and goes on: %w", e.Name, crdt.ErrMalformed)
			}
			continue
		}
		if values[i], err = crdt.ParseValue(e.State); err != nil {
			return fmt.Errorf("value %q: %w", e.Name, err)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range entries {
		v.load(&entries[i], values[i])
	}
	return nil
}

func (v *Values) load(e *Entry, value *crdt.Value) {
	s := v.slots.lock(e.Name)
	defer s.mu.Unlock()
	if e.Continues && s.value != nil && s.value.TakePart(value) == nil {
		return
	}
	v.put(s, value, e.Deleted)
}
