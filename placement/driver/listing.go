package driver

import (
	"cmp"
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
// key, and tells whether there are more.
func (d *Directory) Page(f Filter, after mallee.ID, limit int) (page []Placed, more bool) {
	for id, g := range d.grants {
		if (f.Type == "" || f.Type == id.Type) && strings.HasPrefix(id.Key, f.Prefix) && (f.Node == 0 || f.Node == g.Node) && compare(id, after) > 0 {
			page = append(page, Placed{id, g})
		}
	}
	slices.SortFunc(page, func(a, b Placed) int { return compare(a.ID, b.ID) })
	if len(page) > limit {
		return page[:limit], true
	}
	return page, false
}

func compare(a, b mallee.ID) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Key, b.Key))
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
	var all []NodeStatus
	for _, m := range d.Members() {
		of := d.members[m.ID]
		all = append(all, NodeStatus{Member: m, Status: of.status, Actors: len(of.owns), Load: len(of.owns) + of.status.Load, Reported: of.reported})
	}
	return all
}

// Considered tells why an actor would go to a member, or would not.
type Considered struct {
	Node   NodeID
	Able   bool
	Reason string // for people
	Load   int
}

// Consider tells of each member, in the order of their IDs, whether an actor
// that lives nowhere could go there.
func (d *Directory) Consider(id mallee.ID) []Considered {
	var all []Considered
	for _, n := range d.Nodes() {
		c := Considered{Node: n.Member.ID, Load: n.Load}
		switch _, hosts := n.Member.Hosts(id.Type); {
		case !hosts:
			c.Reason = "does not host the type"
		case n.Status.Cordoned:
			c.Reason = "cordoned"
		default:
			c.Able, c.Reason = true, "able"
		}
		all = append(all, c)
	}
	return all
}

// Recovering reports whether members have yet to report.
func (d *Directory) Recovering() bool { return d.silent > 0 }
