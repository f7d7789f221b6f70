package main

import (
	"math"
	"slices"
)

// A spread is the minimum, median and maximum of repetitions, in whole units.
type spread [3]float64

// newSpread needs at least one value. The median of an even number of values is
// the mean of the middle two.
func newSpread(values []float64) spread {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	median := (s[(n-1)/2] + s[n/2]) / 2
	return spread{math.Round(s[0]), math.Round(median), math.Round(s[n-1])}
}

func (s spread) median() float64 { return s[1] }
