package gossip

import "errors"

// Bounds of what changes bring. A message of the transport has at most 16 MiB.
const (
	MaxName   = 8 << 10  // bytes of a name
	MaxChange = 8 << 20  // bytes of one change's elements, keys and values
	sealSize  = 1 << 20  // bytes of an open batch that is not left to grow,
	openSize  = 12 << 20 // and of one that takes no more
	slotSize  = 64       // what a name's length and a counter's effect take of that
)

// Next is the number that the open batch will have, and whether anything is in it.
// What was changed before is in the batches up to that number, or below it if nothing
// is open.
func (v *Values) Next() (seq uint64, open bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	v.dirty.mu.Lock()
	defer v.dirty.mu.Unlock()
	return v.at.Seq, len(v.dirty.slots) > 0
}

// Changed gets a value when there is something in the open batch.
func (v *Values) Changed() <-chan struct{} { return v.changed }

// Seal ends the open batch, if anything is in it, and gives those that have been
// ended since the last Seal: Apply, Merge, Learn and Entries end it too, and so does a
// change when much has gathered.
func (v *Values) Seal() []Batch {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seal()
	sealed := v.sealed
	v.sealed = nil
	return sealed
}

// seal is called with mu held for writing; then no slot is dirty until it is released.
func (v *Values) seal() {
	if len(v.dirty.slots) == 0 {
		return
	}
	b := Batch{At: v.at, Seen: v.clock.Clone()}
	var effect []byte
	for _, s := range v.dirty.slots {
		s.mu.Lock()
		if s.deleted {
			b.Body = appendDeletion(b.Body, s.name)
		} else {
			effect = s.value.AppendEffect(effect[:0], v.at)
			b.Body = appendEffect(b.Body, s.name, effect)
		}
		s.dirty = false
		s.mu.Unlock()
	}
	v.clean()
	v.clock.See(v.at)
	v.at.Seq++
	v.sealed = append(v.sealed, b)
}

// clean forgets which slots have been dirty.
func (v *Values) clean() {
	clear(v.dirty.slots)
	v.dirty.slots = v.dirty.slots[:0]
	v.size.Store(0)
}

// soil takes a slot, whose lock is held, into the open batch. mu is held for reading.
func (v *Values) soil(s *slot) {
	s.dirty = true
	v.size.Add(int64(len(s.name)) + slotSize)
	v.dirty.mu.Lock()
	defer v.dirty.mu.Unlock()
	v.dirty.slots = append(v.dirty.slots, s)
	if len(v.dirty.slots) == 1 {
		select {
		case v.changed <- struct{}{}:
		default: // not taken yet
		}
	}
}

// errFull says that the open batch has to be sealed before a change.
var errFull = errors.New("the open batch is full")

// sealLarge keeps a batch from growing.
func (v *Values) sealLarge() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.size.Load() > sealSize {
		v.seal()
	}
}
