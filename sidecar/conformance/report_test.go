package conformance_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// say prints a line for the person who runs the tests, passed or not.
func say(name, format string, args ...any) {
	fmt.Printf("%-20s %s\n", name, fmt.Sprintf(format, args...))
}

// report prints how the checks of a library have ended.
func report(name string, models, proxies *sidecartest.Tally) {
	say(name, "%s of the function; %s of the sidecar", sum(models), sum(proxies))
	skipped := map[string][]int{} // by their reasons
	for _, tally := range []*sidecartest.Tally{models, proxies} {
		for number, why := range tally.Skipped {
			skipped[why] = append(skipped[why], number)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(skipped)) {
		say(name, "  skipped %s: %s", spans(skipped[why]), why)
	}
}

// sum is a tally in a few words.
func sum(c *sidecartest.Tally) string {
	parts := []string{fmt.Sprintf("%d checks passed", len(c.Passed))}
	if len(c.Failed) > 0 {
		parts = append(parts, fmt.Sprintf("%d FAILED (%s)", len(c.Failed), spans(c.Failed)))
	}
	if len(c.Skipped) > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", len(c.Skipped)))
	}
	return strings.Join(parts, ", ")
}

// spans are numbers in their order, those without a gap as first-last.
func spans(numbers []int) string {
	var parts []string
	left := slices.Sorted(slices.Values(numbers))
	for len(left) > 0 {
		n := 1
		for n < len(left) && left[n] == left[0]+n {
			n++
		}
		part := strconv.Itoa(left[0])
		if n > 1 {
			part += "-" + strconv.Itoa(left[n-1])
		}
		parts, left = append(parts, part), left[n:]
	}
	return strings.Join(parts, ", ")
}
