package koalahttp // inside: the choice is not for others

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

// TestChooseWeights draws every ticket once, so that each host is chosen as
// often as it has weight.
func TestChooseWeights(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	for _, c := range []struct {
		loads, want []int64
	}{
		{[]int64{0, 0}, []int64{11, 11}},
		{[]int64{0, 10, 100}, []int64{110, 100, 10}},
		{[]int64{5}, []int64{6}},
		{[]int64{10, 9}, []int64{1, 2}},
		{[]int64{-1, 3}, []int64{0, 8}},
	} {
		var hosts []Host
		for i, load := range c.loads {
			hosts = append(hosts, Host{ServerID: int64(i), Load: load, Services: map[string]string{"I": "X"}})
		}
		got, tickets := make([]int64, len(hosts)), int64(1)
		for ticket := int64(0); ticket < tickets; ticket++ {
			h, err := choose(hosts, "I", now, func(n int64) int64 { tickets = n; return ticket })
			if err != nil {
				t.Fatal(err)
			}
			got[h.ServerID]++
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("loads %v: chosen %v times, want %v", c.loads, got, c.want)
		}
	}
}

func TestChooseEligible(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	host := func(load, age int64, implementation string) Host {
		return Host{Load: load, StartTime: now.UnixMilli() - age, Services: map[string]string{"I": implementation}}
	}
	for _, c := range []struct {
		name string
		host Host
		want error
	}{
		{"old enough", host(0, 5000, "X"), nil},
		{"too young", host(0, 4999, "X"), ErrNoServer},
		{"wants no more", host(-1, 5000, "X"), ErrNoServer},
		{"greatest load", host(math.MaxInt64, 5000, "X"), nil},
		{"no implementation", host(0, 5000, ""), ErrNoType},
		{"no services", Host{}, ErrNoType},
	} {
		last := func(n int64) int64 { return n - 1 }
		if _, err := choose([]Host{c.host, {Services: map[string]string{"J": "X"}}}, "I", now, last); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
