package driver

import (
	"hash/fnv"

	"github.com/mallee-io/mallee"
)

// Candidate is a node that could get an actor.
type Candidate struct {
	Node NodeID
	Owns int // grants it has, with those that it has not used yet
}

func (d *Directory) choose(q Question, c []Candidate) NodeID {
	a, b := c[d.random.IntN(len(c))], c[d.random.IntN(len(c))]
	if b.Owns < a.Owns {
		return b.Node
	}
	return a.Node
}

// Hash gives an ID always to the same of the same candidates, and moves few IDs
// when one comes or goes (rendezvous hashing; Thaler and Ravishankar, 1998).
func Hash(id mallee.ID, c []Candidate) NodeID {
	h := fnv.New64a()
	h.Write([]byte(id.String()))
	of := h.Sum64()
	var best NodeID
	var most uint64
	for i, candidate := range c {
		weight := mix(of ^ mix(uint64(candidate.Node)))
		if i == 0 || weight > most {
			best, most = candidate.Node, weight
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
