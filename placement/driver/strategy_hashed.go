package driver

import (
	"hash/fnv"

	"github.com/mallee-io/mallee"
)

// hashed gives an ID always to the same of the same hosts, young or not, and
// moves few IDs when one comes or goes (rendezvous hashing; Thaler and
// Ravishankar, 1998).
func hashed(id mallee.ID, able []*host) NodeID {
	h := fnv.New64a()
	h.Write([]byte(id.String()))
	of := h.Sum64()
	var best NodeID
	var most uint64
	for i, candidate := range able {
		score := mix(of ^ mix(uint64(candidate.ID)))
		if i == 0 || score > most {
			best, most = candidate.ID, score
		}
	}
	return best
}

// mix is the last step of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
