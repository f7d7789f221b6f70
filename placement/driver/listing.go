package driver

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mallee-io/mallee"
)

// Filter chooses placed actors; what is zero does not matter.
type Filter struct {
	Type   string
	Prefix string // of keys
	Node   NodeID
}

// Placed is an actor and who has it.
type Placed struct {
	ID    mallee.ID
	Grant Grant
}

// Page lists at most limit placed actors after one, in the order of type and
// key, and tells whether there are more. It looks at every actor of the types
// that it lists.
func (d *Directory) Page(f Filter, after mallee.ID, limit int) (page []Placed, more bool) {
	limit = max(limit, 0)
	for _, name := range slices.Sorted(maps.Keys(d.kinds)) {
		if f.Type != "" && f.Type != name || name < after.Type {
			continue
		}
		page = append(page, d.kinds[name].first(f, after, limit+1-len(page))...)
		if len(page) > limit {
			return page[:limit], true
		}
	}
	return page, false
}

// first lists the first n of the actors of a type that come after one.
func (k *kind) first(f Filter, after mallee.ID, n int) []Placed {
	var found []Placed
	bound := "" // key that all later ones have to be below; empty: none
	shorten := func() {
		slices.SortFunc(found, func(a, b Placed) int { return cmp.Compare(a.ID.Key, b.ID.Key) })
		if len(found) > n {
			found = found[:n]
			bound = found[n-1].ID.Key
		}
	}
	for key, g := range k.grants {
		if bound != "" && key >= bound || k.name == after.Type && key <= after.Key ||
			!strings.HasPrefix(key, f.Prefix) || f.Node != 0 && f.Node != g.Node {
			continue
		}
		found = append(found, Placed{mallee.ID{Type: k.name, Key: key}, g})
		if len(found) == 2*n {
			shorten()
		}
	}
	shorten()
	return found
}

// NodeStatus is what the leader knows of a member.
type NodeStatus struct {
	Member   Member
	Status   Status
	Actors   int  // grants it has
	Load     int  // by which strategies compare it with others
	Reported bool // what it holds, to this leader
}

// Nodes lists the members in the order of their IDs.
func (d *Directory) Nodes() []NodeStatus {
	all := make([]NodeStatus, 0, len(d.members))
	for _, m := range d.members {
		all = append(all, NodeStatus{Member: m.Member, Status: m.status, Actors: m.actors, Load: m.load(), Reported: m.reported})
	}
	slices.SortFunc(all, func(a, b NodeStatus) int { return cmp.Compare(a.Member.ID, b.Member.ID) })
	return all
}

// Considered tells whether an actor that lives nowhere could go to a member.
type Considered struct {
	Node   NodeID
	Able   bool
	Reason string // for people: why not, or under what condition
	Load   int    // by which strategies compare it with others
}

// Consider tells of each member, in the order of their IDs, why an actor would
// or would not go there, wherever it is now.
func (d *Directory) Consider(id mallee.ID) []Considered {
	k := d.kinds[id.Type]
	all := make([]Considered, 0, len(d.members))
	for _, m := range d.members {
		c := Considered{Node: m.ID, Load: m.load()}
		if h := k.host(m.ID); h == nil {
			c.Reason = "does not host the type"
		} else {
			c.Reason = d.refusal(h)
			c.Able = c.Reason == ""
		}
		if c.Able && !m.Foreign && k.says().Strategy != mallee.Hashed && d.young(m) {
			c.Reason = "joined less than " + d.settings.Settle.String() + " ago: others that are able come first"
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Considered) int { return cmp.Compare(a.Node, b.Node) })
	return all
}
