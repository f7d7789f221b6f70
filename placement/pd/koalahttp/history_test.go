package koalahttp // inside: the history is not for others

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	var events history
	at := time.UnixMilli
	life := EventLife.Milliseconds()
	for _, c := range []struct {
		do   func()
		now  int64
		want string
	}{
		{func() {}, 0, "[]"},
		{func() { events.join(at(10), 1) }, 10, "[{10 [1] []}]"},
		{func() { events.join(at(10), 2); events.leave(at(10), 9) }, 11, "[{10 [1 2] [9]}]"},
		{func() { events.leave(at(20), 1) }, 20, "[{10 [2] [9]} {20 [] [1]}]"},
		{func() { events.join(at(15), 3) }, 20, "[{10 [2] [9]} {20 [3] [1]}]"}, // a clock that was set back
		{func() { events.leave(at(30), 1) }, 30, "[{10 [2] [9]} {20 [3] []} {30 [] [1]}]"},
		{func() {}, life + 9, "[{10 [2] [9]} {20 [3] []} {30 [] [1]}]"},
		{func() {}, life + 10, "[{20 [3] []} {30 [] [1]}]"},
		{func() { events.join(at(life+30), 4) }, life + 30, fmt.Sprintf("[{%d [4] []}]", life+30)},
	} {
		c.do()
		if got := fmt.Sprint(events.recent(at(c.now))); got != c.want {
			t.Errorf("at %d: %s, want %s", c.now, got, c.want)
		}
	}
}

// TestHistoryTellsOfEveryLeave checks what hosts live by: whoever left less than
// EventLife ago is in remove, nobody who lives is, and times are in order.
func TestHistoryTellsOfEveryLeave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var events history
		now := time.UnixMilli(1)
		living, left := map[int64]bool{}, map[int64]time.Time{}
		for id := int64(1); id < 40; id++ {
			now = now.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "ms")) * time.Millisecond)
			events.join(now, id)
			living[id] = true
			if victim := rapid.Int64Range(1, id).Draw(t, "victim"); living[victim] {
				delete(living, victim)
				left[victim] = now
				events.leave(now, victim)
			}
			recent := events.recent(now)
			if !slices.IsSortedFunc(recent, func(a, b Event) int { return int(a.Time - b.Time) }) {
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
				if removed[id] != (now.Sub(at) < EventLife) {
					t.Fatalf("%d left %v ago: %v", id, now.Sub(at), recent)
				}
			}
		}
	})
}
