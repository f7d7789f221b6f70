package eventing_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
)

// maxRuns bounds the time of the test: a run is hours of a cluster's life.
const maxRuns = 20

// Whatever crashes and fails when: each group gets all events of each entity,
// the next one only after one is handled.
func TestEventsComeAtLeastOnceAndInOrder(t *testing.T) {
	t.Parallel()
	runs, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > maxRuns && !failed {
			return
		}
		plan := rapid.SliceOfN(rapid.Custom(drawStep), 1, 12).Draw(rt, "plan")
		answers := rapid.SliceOfN(rapid.SampledFrom([]answer{handled, late, failing}), 0, 4).Draw(rt, "answers")
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = runPlan(t, plan, append(answers, handled)) })
		if wrong := strings.Join(wrong, ""); wrong != "" {
			failed = true
			rt.Fatal(wrong)
		}
	})
}

// step is what happens next: an event of a cart, a crash of a node, or nothing
// for a while.
type step struct {
	what string
	n    int
}

func drawStep(t *rapid.T) step {
	what := rapid.SampledFrom([]string{"add", "add", "add", "burst", "crash", "move", "wait"}).Draw(t, "what")
	return step{what, rapid.IntRange(0, 1).Draw(t, "n")}
}

type answer int

const (
	handled answer = iota
	late
	failing
)

func runPlan(t *testing.T, plan []step, answers []answer) (wrong []string) {
	w := newWorld(t, 2, model(t, "Cart", "Mail", "Stock"))
	h := &history{handled: make(map[string]uint64)}
	w.function.answer = func(call string) error {
		answer := answers[h.begin(call)%len(answers)]
		if answer == late {
			time.Sleep(4 * time.Second)
		}
		if answer == failing {
			return mallee.ErrUnavailable.Errorf("not now")
		}
		h.end(call)
		return nil
	}
	w.start()
	defer w.stop()
	for _, s := range plan {
		w.step(t, s)
	}
	deadline := time.Now().Add(24 * time.Hour)
	for {
		time.Sleep(time.Minute)
		if behind := w.behind(t, h); behind == "" || time.Now().After(deadline) {
			return append(h.wrong, behind)
		}
	}
}

// behind tells of a group that has not handled all events.
func (w *world) behind(t *testing.T, h *history) string {
	for _, cart := range []string{"0", "1"} {
		last, err := rows.LastEvent(t.Context(), w.Store(), rows.Table("carts"), cart, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range []string{"stock", "shop.Mail"} {
			consumed, _, err := rows.ReadConsumed(t.Context(), w.Store(), rows.Table("carts"), cart, group)
			if err != nil || consumed.Sequence != last || h.last(group, cart) != last {
				return fmt.Sprintf("group %s has handled %d of %d events of cart %s, and the store says %v, %v", group, h.last(group, cart), last, cart, consumed, err)
			}
		}
	}
	return ""
}

func (w *world) step(t *testing.T, s step) {
	switch s.what {
	case "add", "burst":
		for range map[string]int{"add": 1, "burst": 25}[s.what] {
			_ = w.add(t.Context(), strconv.Itoa(s.n), added) // it may fail with a node that has crashed
		}
	case "crash":
		w.Kill(s.n)
		w.Restart(s.n)
	case "move":
		w.Drain(s.n)
		w.Uncordon(s.n)
	case "wait":
		time.Sleep(time.Duration(1+s.n*10) * time.Second)
	}
}
