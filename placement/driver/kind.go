package driver

import (
	"cmp"
	"slices"
)

// kind is what the directory knows of one actor type. Its grants are by key
// alone: every ID that arrives has its own copy of the type's name, and this
// lets go of it.
type kind struct {
	name   string
	grants map[string]Grant
	hosts  []*host // members that host the type, in the order of their IDs
}

// host is a member as a host of one type.
type host struct {
	*member
	of      Type   // as this member describes it
	missing string // label that the type demands and the member lacks
	actors  int    // of the type that it has
}

// kind finds or makes what is known of a type.
func (d *Directory) kind(name string) *kind {
	k := d.kinds[name]
	if k == nil {
		k = &kind{name: name, grants: make(map[string]Grant)}
		d.kinds[name] = k
	}
	return k
}

// tidy forgets a type that nobody hosts or has.
func (d *Directory) tidy(k *kind) {
	if len(k.hosts) == 0 && len(k.grants) == 0 {
		delete(d.kinds, k.name)
	}
}

// join adds a member that hosts the type.
func (k *kind) join(m *member, t Type) {
	i, twice := k.search(m.ID)
	if twice {
		return
	}
	h := &host{member: m, of: t}
	for name, value := range t.Labels {
		if has, ok := m.Labels[name]; !ok || has != value {
			h.missing = name + "=" + value
		}
	}
	k.hosts = slices.Insert(k.hosts, i, h)
}

// lose drops a member and its grants.
func (k *kind) lose(m *member) {
	left := m.actors // of a type that it does not host: up to all
	if h := k.host(m.ID); h != nil {
		left = h.actors
		k.hosts = slices.DeleteFunc(k.hosts, func(h *host) bool { return h.member == m })
	}
	for key, g := range k.grants {
		if left == 0 {
			return
		}
		if g.Node == m.ID {
			delete(k.grants, key)
			left--
		}
	}
}

// host finds a member among those that host the type.
func (k *kind) host(n NodeID) *host {
	if k == nil {
		return nil
	}
	if i, ok := k.search(n); ok {
		return k.hosts[i]
	}
	return nil
}

func (k *kind) search(n NodeID) (int, bool) {
	return slices.BinarySearchFunc(k.hosts, n, func(h *host, n NodeID) int { return cmp.Compare(h.ID, n) })
}

// says describes a type that has hosts as the newest of them does: while
// programs are replaced, the newer one counts.
func (k *kind) says() Type { return k.hosts[len(k.hosts)-1].of }

// count notes that a member has got a grant or lost one.
func (k *kind) count(m *member, n int) {
	weight := 1
	if h := k.host(m.ID); h != nil {
		h.actors += n
		weight = h.weighs()
	}
	m.actors += n
	m.weight += n * weight
}

// Bounds of what members say of themselves, so that no sum of them overflows.
const (
	maxWeight = 1 << 20
	maxLoad   = 1 << 40
)

// weighs is the weight of one actor of the type on this host.
func (h *host) weighs() int { return min(max(h.of.Weight, 1), maxWeight) }

// load is by what strategies compare members. A foreign host measures all of
// it itself.
func (m *member) load() int {
	measured := min(max(m.status.Load, 0), maxLoad)
	if m.Foreign {
		return measured
	}
	return m.weight + measured
}
