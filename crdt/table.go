package crdt

import (
	"iter"
	"maps"
	"slices"
)

// table is a map whose first rows cost no more than themselves: most sets are small.
type table[V any] struct {
	few  []row[V]
	many map[string]V // instead of few, once there are more than fewRows
}

type row[V any] struct {
	key   string
	value V
}

const fewRows = 8

func (t *table[V]) find(key string) int {
	return slices.IndexFunc(t.few, func(r row[V]) bool { return r.key == key })
}

func (t *table[V]) get(key string) (v V, ok bool) {
	if t.many != nil {
		v, ok = t.many[key]
		return v, ok
	}
	if i := t.find(key); i >= 0 {
		return t.few[i].value, true
	}
	return v, false
}

func (t *table[V]) set(key string, v V) {
	if t.many == nil {
		i := t.find(key)
		switch {
		case i >= 0:
			t.few[i].value = v
			return
		case len(t.few) < fewRows:
			t.few = append(t.few, row[V]{key, v})
			return
		}
		t.many = make(map[string]V, 2*fewRows)
		for _, r := range t.few {
			t.many[r.key] = r.value
		}
		t.few = nil
	}
	t.many[key] = v
}

func (t *table[V]) remove(key string) {
	if t.many != nil {
		delete(t.many, key)
	} else if i := t.find(key); i >= 0 {
		t.few = slices.Delete(t.few, i, i+1)
	}
	t.shrink()
}

func (t *table[V]) shrink() {
	if t.len() == 0 {
		*t = table[V]{}
	}
}

func (t *table[V]) len() int { return len(t.few) + len(t.many) }

// all yields the rows in any order.
func (t *table[V]) all() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, r := range t.few {
			if !yield(r.key, r.value) {
				return
			}
		}
		for k, v := range t.many {
			if !yield(k, v) {
				return
			}
		}
	}
}

// keys yields the keys in any order.
func (t *table[V]) keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range t.all() {
			if !yield(k) {
				return
			}
		}
	}
}

// sorted yields the rows in the order of their keys.
func (t *table[V]) sorted() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(t.keys()) {
			if v, _ := t.get(k); !yield(k, v) {
				return
			}
		}
	}
}

// update gives each row a new value, or removes it.
func (t *table[V]) update(f func(key string, v V) (_ V, keep bool)) {
	kept := t.few[:0]
	for _, r := range t.few {
		if v, keep := f(r.key, r.value); keep {
			kept = append(kept, row[V]{r.key, v})
		}
	}
	clear(t.few[len(kept):])
	t.few = kept
	maps.DeleteFunc(t.many, func(k string, v V) bool {
		v, keep := f(k, v)
		if keep {
			t.many[k] = v
		}
		return !keep
	})
	t.shrink()
}
