package gossip

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mallee-io/mallee/crdt"
)

// slot is where a value is. Those that are empty and that nobody watches are
// removed: who holds one asks whether it is gone.
type slot struct {
	mu    sync.Mutex
	name  string
	value *crdt.Value
	watch *watcher
	dirty bool // it is in the open batch

	deleted bool // for ever; there is no value
	gone    bool // removed from the slots; another may have the name now
}

// watcher is one who wants to know of changes.
type watcher struct {
	changes chan struct{}
	next    *watcher
}

// tell tells the watchers that something has changed.
func (s *slot) tell() {
	for w := s.watch; w != nil; w = w.next {
		select {
		case w.changes <- struct{}{}:
		default: // not taken yet
		}
	}
}

// ignore ends a watcher.
func (s *slot) ignore(gone *watcher) {
	for at := &s.watch; *at != nil; at = &(*at).next {
		if *at == gone {
			*at = gone.next
			return
		}
	}
}

func (s *slot) empty() bool { return s.value == nil && !s.deleted && s.watch == nil }

// buckets is into how many parts the slots are divided, by their names.
const buckets = 4096

// slots are found by name, and listed in the order of their buckets and names, which
// is the same in every process.
type slots [buckets]bucket

type bucket struct {
	used  atomic.Bool // there has been a slot: most of a small process's have none
	mu    sync.Mutex
	slots map[string]*slot
}

// bucket is the number of a name's bucket: FNV-1a, as a transfer that is simulated
// again has to take the same way.
func (*slots) bucket(name string) int {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return int((h ^ h>>16) % buckets)
}

// find gives the slot of a name; one that is made is empty.
func (t *slots) find(name string, make bool) *slot {
	b := &t[t.bucket(name)]
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.slots[name]
	if s == nil && make {
		s = &slot{name: name}
		b.add(s)
	}
	return s
}

func (b *bucket) add(s *slot) {
	if b.slots == nil {
		b.slots = map[string]*slot{}
		b.used.Store(true)
	}
	b.slots[s.name] = s
}

// lock makes the slot of a name, and locks it.
func (t *slots) lock(name string) *slot {
	for {
		s := t.find(name, true)
		s.mu.Lock()
		if !s.gone {
			return s
		}
		s.mu.Unlock()
	}
}

// evict removes a slot that is empty, and whose lock is not held.
func (t *slots) evict(s *slot) {
	b := &t[t.bucket(s.name)]
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty() && !s.gone {
		s.gone = true
		delete(b.slots, s.name)
	}
}

// all yields the slots, without a lock and in no order.
func (t *slots) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		for i := range t {
			for _, s := range t[i].list() {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// take takes over the slots of another bucket if there are none here. The other one's
// must not be in use.
func (b *bucket) take(other *bucket) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.slots) == 0 && len(other.slots) > 0 {
		b.slots, other.slots = other.slots, nil
		b.used.Store(true)
	}
}

func (b *bucket) list() []*slot {
	if !b.used.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*slot, 0, len(b.slots))
	for _, s := range b.slots {
		all = append(all, s)
	}
	return all
}

// sorted lists the slots in the order of their names.
func (b *bucket) sorted() []*slot {
	all := b.list()
	slices.SortFunc(all, func(a, b *slot) int { return cmp.Compare(a.name, b.name) })
	return all
}
