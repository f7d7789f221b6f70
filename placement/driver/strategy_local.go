package driver

import "slices"

// local reports whether the node that asks is among the hosts. That it is young
// does not matter: it brings the work itself.
func local(from NodeID, able []*host) bool {
	return slices.ContainsFunc(able, func(h *host) bool { return h.ID == from })
}
