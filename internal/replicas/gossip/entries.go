package gossip

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
)

// Entry is one value, or the mark of a deleted one, as it is sent to who needs all.
type Entry struct {
	Name    string
	Deleted bool
	State   []byte // of crdt.Value.AppendBinary; empty when deleted
}

// Entries gives the values that come after a cursor, "" at first, until they have
// size bytes, but at least one, and the cursor after them: "" at the end. What is open is sealed first.
//
// To have another process's state: take its Clock, read all entries, while it goes
// on, and then the batches that it has seen since that Clock, its own sealed ones
// included. NewStaged puts them together.
func (v *Values) Entries(after string, size int) (entries []Entry, next string, err error) {
	i, name, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seal()
	for ; i < buckets; i, name = i+1, "" {
		for _, s := range v.slots[i].after(name) {
			if size <= 0 && len(entries) > 0 {
				return entries, appendCursor(i, name), nil
			}
			name = s.name
			e, ok, err := s.entry()
			if err != nil {
				return nil, "", fmt.Errorf("value %q: %w", s.name, err)
			}
			if ok {
				entries = append(entries, e)
				size -= len(e.Name) + len(e.State)
			}
		}
	}
	return entries, "", nil
}

func (s *slot) entry() (e Entry, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = Entry{Name: s.name, Deleted: s.deleted}
	if s.value != nil {
		e.State, err = s.value.AppendBinary(nil)
	}
	return e, s.deleted || s.value != nil, err
}

// A cursor is the number of a bucket, and the last name of it that has been read.

func appendCursor(bucket int, name string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(bucket))) + name
}

func parseCursor(c string) (bucket int, name string, err error) {
	if c == "" {
		return 0, "", nil
	}
	if len(c) < 2 {
		return 0, "", fmt.Errorf("a cursor of %d bytes: %w", len(c), crdt.ErrMalformed)
	}
	if bucket = int(binary.BigEndian.Uint16([]byte(c[:2]))); bucket >= buckets {
		return 0, "", fmt.Errorf("a cursor at %d of %d: %w", bucket, buckets, crdt.ErrMalformed)
	}
	return bucket, c[2:], nil
}

// NewStaged is where another process's state, or the store's, is put together: Load
// takes its entries, read one after another since its clock was since; then Apply,
// the batches that it has seen since then; then Merge of other Values, all at once.
// Entries have some of those batches in them already, and others not: only when all
// are applied is what is staged as its clock says.
func NewStaged(since *crdt.Clock) *Values {
	v := NewValues(nil)
	v.clock = since.Clone()
	return v
}

// Load takes entries in, in the place of those of the same name. Only Values that are
// staged do so. After an error nothing has changed.
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
			continue
		}
		if values[i], err = crdt.ParseValue(e.State); err != nil {
			return fmt.Errorf("value %q: %w", e.Name, err)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, e := range entries {
		s := v.slots.lock(e.Name)
		v.put(s, values[i], e.Deleted)
		s.mu.Unlock()
	}
	return nil
}
