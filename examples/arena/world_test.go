package arena_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/examples/arena"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// duel is a world with two ships: one in the middle, one to its right.
func duel(distance float64) (w *arena.World, left, right *arena.Ship) {
	w = &arena.World{}
	w.Enter("left", arena.Ship{Name: "left"}, random(1))
	w.Enter("right", arena.Ship{Name: "right"}, random(2))
	left, right = w.Ships["left"], w.Ships["right"]
	left.X, left.Y, left.Shield = 400, 400, 0
	right.X, right.Y, right.Shield = 400+distance, 400, 0
	return w, left, right
}

func kinds(events []arena.Event) (n map[string]int) {
	n = make(map[string]int)
	for _, e := range events {
		n[e.Kind]++
	}
	return n
}

// step lets time pass in which no seed is in the way.
func step(w *arena.World, ticks int) (events []arena.Event) {
	for range ticks {
		for i := range w.Seeds {
			w.Seeds[i].X, w.Seeds[i].Y = 0, 0
		}
		events = append(events, w.Step(random(w.Tick))...)
	}
	return events
}

func TestThreeHitsShootAShipDown(t *testing.T) {
	t.Parallel()
	w, left, right := duel(200)
	left.Steer = arena.Steer{Fire: true}
	got := kinds(step(w, 30))
	if got["hit"] != 2 || got["boom"] != 1 || right.Energy != 0 {
		t.Fatalf("%v, energy %d", got, right.Energy)
	}
	if left.Score < 5 {
		t.Errorf("who has shot has %d points", left.Score)
	}
	left.Steer.Fire = false
	step(w, 60)
	if right.Energy == 0 || right.Away > w.Tick {
		t.Error("the ship does not come back")
	}
}

func TestShieldAndReload(t *testing.T) {
	t.Parallel()
	w, left, right := duel(100)
	right.Shield = 1000
	left.Steer = arena.Steer{Fire: true}
	got := kinds(step(w, 24))
	if got["hit"] != 0 || got["shot"] != 4 {
		t.Errorf("%v", got)
	}
}

func TestBoltsDoNotJumpOverShips(t *testing.T) {
	t.Parallel()
	for distance := 60.0; distance < 300; distance += 3 {
		w, left, _ := duel(distance)
		left.Steer = arena.Steer{Fire: true}
		events := step(w, 1)
		left.Steer = arena.Steer{}
		if got := kinds(append(events, step(w, 12)...)); got["hit"] != 1 {
			t.Errorf("from a distance of %g: %v", distance, got)
		}
	}
}

func TestSeedsArePoints(t *testing.T) {
	t.Parallel()
	w, left, _ := duel(500)
	left.Energy = 1
	w.Seeds = []arena.Seed{{ID: 7, X: 405, Y: 400}}
	events := w.Step(random(1))
	if len(events) == 0 || events[0].Kind != "seed" || events[0].Pilot != "left" || left.Score == 0 || left.Energy < 2 {
		t.Errorf("%+v, score %d, energy %d", events, left.Score, left.Energy)
	}
}

// Whatever pilots do, ships stay in the field, the world stays small, and the
// same wishes have the same outcome.
func TestWorldsAreBoundedAndDeterministic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		first, second := &arena.World{}, &arena.World{}
		r1, r2 := random(seed), random(seed)
		number := rapid.Float64Range(-1e9, 1e9)
		for range rapid.IntRange(1, 200).Draw(t, "ticks") {
			name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "pilot")
			steer := arena.Steer{X: number.Draw(t, "x"), Y: number.Draw(t, "y"), Aim: number.Draw(t, "aim"), Fire: rapid.Bool().Draw(t, "fire")}
			for w, r := range map[*arena.World]*rand.Rand{first: r1, second: r2} {
				w.Enter(name, arena.Ship{Name: name}, r)
				w.Ships[name].Steer = steer
				w.Step(r)
			}
		}
		if !reflect.DeepEqual(first, second) {
			t.Fatal("two worlds with the same input differ")
		}
		for name, s := range first.Ships {
			if !(s.X >= 0 && s.X <= arena.Width && s.Y >= 0 && s.Y <= arena.Height) || math.IsNaN(s.VX+s.VY+s.Angle) {
				t.Fatalf("%s is at %g, %g", name, s.X, s.Y)
			}
		}
		if len(first.Bolts) > 100 || len(first.Seeds) > 400 {
			t.Fatalf("%d bolts, %d seeds", len(first.Bolts), len(first.Seeds))
		}
	})
}
