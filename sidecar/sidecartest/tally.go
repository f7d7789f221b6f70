package sidecartest

import (
	"fmt"
	"sync"
	"testing"
)

// Tally is how the checks of Models or Proxies have ended. The checks are
// parallel subtests: it is to be read when the test that was given to Models or
// Proxies is over.
type Tally struct {
	// Passed and Failed are the numbers of checks.
	Passed, Failed []int
	// Skipped has the reason for each check that was not made.
	Skipped map[int]string

	mu sync.Mutex
}

// run makes a check, as a subtest, unless there is a reason not to.
func (c *Tally) run(t *testing.T, kind string, number int, check func(t *testing.T) (skip string)) {
	t.Run(fmt.Sprintf("%s%d", kind, number), func(t *testing.T) {
		t.Parallel()
		why := ""
		t.Cleanup(func() { c.note(number, why, t.Failed()) })
		if why = check(t); why != "" {
			t.Skip(why)
		}
	})
}

func (c *Tally) note(number int, skipped string, failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case failed:
		c.Failed = append(c.Failed, number)
	case skipped != "":
		c.Skipped[number] = skipped
	default:
		c.Passed = append(c.Passed, number)
	}
}
