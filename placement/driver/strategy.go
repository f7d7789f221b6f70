package driver

import "github.com/mallee-io/mallee"

// choose takes one of at least one able host, by the strategy of its type. Each
// strategy has a file of its own. The list of hosts is used up.
func (d *Directory) choose(t Type, q Question, able []*host) NodeID {
	switch {
	case t.Strategy == mallee.Hashed:
		return hashed(q.ID, able)
	case t.Strategy == mallee.PreferLocal || t.Stateless:
		if local(q.From, able) {
			return q.From
		}
	}
	able = d.settled(able)
	if allForeign(able) {
		return weighted(d.random, able)
	}
	return twoChoices(d.random, able)
}
