package driver

import (
	"math/rand/v2"
	"slices"
)

// weighted chooses among Koala's hosts as Koala's own placement driver does: at
// random, with less chance for more load, where the most loaded one keeps about
// a tenth of the chance of an idle one. Koala compares with <=, which gives the
// first host a ticket too many and the last one a ticket too few; here each has
// its share.
func weighted(random *rand.Rand, able []*host) NodeID {
	most := 10
	for _, h := range able {
		most = max(most, h.load())
	}
	top, tickets := most*11/10, 0
	for _, h := range able {
		tickets += top - h.load()
	}
	drawn := random.IntN(tickets)
	for i := 0; ; i++ {
		if drawn -= top - able[i].load(); drawn < 0 {
			return able[i].ID
		}
	}
}

func allForeign(able []*host) bool {
	return !slices.ContainsFunc(able, func(h *host) bool { return !h.Foreign })
}
