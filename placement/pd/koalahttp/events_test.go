package koalahttp_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	var events koalahttp.Events
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	life := koalahttp.EventLife.Milliseconds()
	for _, c := range []struct {
		do   func()
		now  int64
		want string
	}{
		{func() {}, 0, "[]"},
		{func() { events.Join(at(10), 1) }, 10, "[{10 [1] []}]"},
		{func() { events.Join(at(10), 2); events.Leave(at(10), 9) }, 11, "[{10 [1 2] [9]}]"},
		{func() { events.Leave(at(20), 1) }, 20, "[{10 [2] [9]} {20 [] [1]}]"},
		{func() { events.Join(at(15), 3) }, 20, "[{10 [2] [9]} {20 [3] [1]}]"}, // a clock that was set back
		{func() { events.Leave(at(30), 1) }, 30, "[{10 [2] [9]} {20 [3] []} {30 [] [1]}]"},
		{func() {}, life + 9, "[{10 [2] [9]} {20 [3] []} {30 [] [1]}]"},
		{func() {}, life + 10, "[{20 [3] []} {30 [] [1]}]"},
		{func() { events.Join(at(life+30), 4) }, life + 30, fmt.Sprintf("[{%d [4] []}]", life+30)},
	} {
		c.do()
		if got := fmt.Sprint(events.Recent(at(c.now))); got != c.want {
			t.Errorf("at %d: %s, want %s", c.now, got, c.want)
		}
	}
}

// TestEventsTellOfEveryLeave checks what hosts live by: whoever left less than
// EventLife ago is in remove, nobody who lives is, and times are in order.
func TestEventsTellOfEveryLeave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var events koalahttp.Events
		now := time.UnixMilli(1)
		living, left := map[int64]bool{}, map[int64]time.Time{}
		for id := int64(1); id < 40; id++ {
			now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "ms")) * time.Millisecond)
			events.Join(now, id)
			living[id] = true
			if victim := rapid.Int64Range(1, id).Draw(t, "victim"); living[victim] {
				delete(living, victim)
				left[victim] = now
				events.Leave(now, victim)
			}
			recent := events.Recent(now)
			if !slices.IsSortedFunc(recent, func(a, b koalahttp.Event) int { return int(a.Time - b.Time) }) {
				t.Fatalf("not in order: %v", recent)
			}
			removed := map[int64]bool{}
			for _, e := range recent {
				for _, id := range e.Remove {
					removed[id] = true
				}
			}
			for id := range living {
				if removed[id] {
					t.Fatalf("%d lives: %v", id, recent)
				}
			}
			for id, at := range left {
				if removed[id] != (now.Sub(at) < koalahttp.EventLife) {
					t.Fatalf("%d left %v ago: %v", id, now.Sub(at), recent)
				}
			}
		}
	})
}
