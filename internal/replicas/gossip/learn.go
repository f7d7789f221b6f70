package gossip

import "github.com/mallee-io/mallee/crdt"

// Learn folds the replicas that somebody's clock has forgotten, and forgets them; and
// it takes note of those that it knows, so that they are not taken for forgotten ones.
// Whoever takes in what comes from there has to do that before. It reports whether
// there was anything to do. A transfer of Entries that is under way has to start again
// when something was folded.
func (v *Values) Learn(c *crdt.Clock) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.learn(c)
}

func (v *Values) learn(c *crdt.Clock) (news bool) {
	if v.clock.Learned(c) {
		return false
	}
	v.seal()
	for r := range v.clock.All() {
		if c.Forgotten(r) {
			v.fold(r)
		}
	}
	v.clock.Learn(c)
	return true
}

func (v *Values) begun() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.at.Replica != 0
}
