package client

import "time"

// Ceilings are the longest pauses of so many attempts in a row, after a
// connection that has lasted.
func Ceilings(first, longest time.Duration, attempts int) (all []time.Duration, within bool) {
	b := backoff{first: first, longest: longest, failed: 7}
	b.lasted(longest)
	within = true
	for range attempts {
		ceiling := b.ceiling()
		b.lasted(ceiling - 1) // not long enough
		within = within && b.next() <= ceiling
		all = append(all, ceiling)
	}
	return all, within
}
