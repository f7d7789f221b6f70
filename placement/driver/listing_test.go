package driver_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

func TestPages(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.join(1, nil, placement.Type{Name: "A"}, placement.Type{Name: "B"})
	f.join(2, nil, placement.Type{Name: "B"}, placement.Type{Name: "C"})
	for actorType, n := range map[string]int{"A": 3, "B": 500, "C": 30} {
		f.place(actorType, n)
	}
	for _, c := range []struct {
		filter driver.Filter
		limit  int
		want   int
	}{
		{driver.Filter{}, 7, 533},
		{driver.Filter{}, 1, 533},
		{driver.Filter{}, 533, 533},
		{driver.Filter{Type: "B"}, 100, 500},
		{driver.Filter{Prefix: "1"}, 10, 1 + 111 + 11},
		{driver.Filter{Type: "B", Node: 1}, 10, f.node(1).Actors - 3},
		{driver.Filter{Type: "X"}, 10, 0},
	} {
		var all []driver.Placed
		for more := true; more; {
			var page []driver.Placed
			after := mallee.ID{}
			if len(all) > 0 {
				after = all[len(all)-1].ID
			}
			page, more = f.d.Page(c.filter, after, c.limit)
			if len(page) > c.limit || more && len(page) != c.limit {
				t.Fatalf("%+v: %d of %d, more %t", c.filter, len(page), c.limit, more)
			}
			all = append(all, page...)
		}
		if len(all) != c.want || !slices.IsSortedFunc(all, comparePlaced) || len(slices.CompactFunc(all, func(a, b driver.Placed) bool { return a == b })) != c.want {
			t.Errorf("%+v: %d, want %d", c.filter, len(all), c.want)
		}
	}
	if page, more := f.d.Page(driver.Filter{}, mallee.ID{}, 0); len(page) != 0 || !more {
		t.Errorf("%v, %t", page, more)
	}
}

func comparePlaced(a, b driver.Placed) int {
	return slices.Compare([]string{a.ID.Type, a.ID.Key}, []string{b.ID.Type, b.ID.Key})
}

func TestConsider(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.join(1, nil, placement.Type{Name: "B"})
	f.pass(driver.DefaultSettle)
	f.join(2, nil, placement.Type{Name: "A"})
	f.join(3, nil, placement.Type{Name: "A"})
	f.d.Renew(3, placement.Status{Cordoned: true, Load: 7})
	got := fmt.Sprint(f.d.Consider(actors[0]))
	if want := "[{1 false does not host the type 0} {2 true joined less than 5s ago: others that are able come first 0} {3 false cordoned 7}]"; got != want {
		t.Errorf("%s", got)
	}
}
