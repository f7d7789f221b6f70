package eventing

import (
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000_000)
	ago := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	for name, c := range map[string]struct {
		last  *sidecarpb.Sweep
		after string // of the sweep that begins or goes on; "-": none does
		wait  time.Duration
	}{
		"the first":              {nil, "", 0},
		"a new group":            {&sidecarpb.Sweep{Groups: []string{"a"}, BegunUnixMs: ago(1), MovedUnixMs: ago(1), After: "x"}, "", 0},
		"done long ago":          {&sidecarpb.Sweep{Groups: []string{"a", "b"}, BegunUnixMs: ago(time.Hour), MovedUnixMs: ago(time.Hour), After: "x", Done: true}, "", 0},
		"done":                   {&sidecarpb.Sweep{Groups: []string{"b", "a"}, BegunUnixMs: ago(time.Minute), MovedUnixMs: ago(time.Minute), Done: true}, "-", 59 * time.Minute},
		"a sweeper is at work":   {&sidecarpb.Sweep{Groups: []string{"a", "b", "c"}, BegunUnixMs: ago(9 * time.Hour), MovedUnixMs: ago(20 * time.Second), After: "x"}, "-", 40 * time.Second},
		"the sweeper has died":   {&sidecarpb.Sweep{Groups: []string{"a", "b"}, BegunUnixMs: ago(9 * time.Hour), MovedUnixMs: ago(time.Minute), After: "x"}, "x", 0},
		"its clock is in future": {&sidecarpb.Sweep{Groups: []string{"a", "b"}, BegunUnixMs: ago(-time.Hour), MovedUnixMs: ago(-time.Hour), Done: true}, "-", time.Hour},
	} {
		next, wait := claim(c.last, []string{"a", "b"}, time.Hour, now)
		got := "-"
		if next != nil {
			got = next.After
		}
		if got != c.after || wait != c.wait {
			t.Errorf("%s: after %q in %v, want %q in %v", name, got, wait, c.after, c.wait)
		}
	}
}
