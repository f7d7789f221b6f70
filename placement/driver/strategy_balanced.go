package driver

import "math/rand/v2"

// twoChoices takes the less loaded of two random hosts: nearly as even as
// taking the least loaded of all, and a crowd of actors does not run after the
// one host that was last said to be idle (Mitzenmacher, "The power of two choices
// in randomized load balancing", 2001). Grants that are not used yet count.
func twoChoices(random *rand.Rand, able []*host) NodeID {
	i := random.IntN(len(able))
	if len(able) > 1 {
		j := (i + 1 + random.IntN(len(able)-1)) % len(able)
		if able[j].load() < able[i].load() {
			i = j
		}
	}
	return able[i].ID
}
