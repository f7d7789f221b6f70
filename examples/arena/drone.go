package arena

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// drones fly in every field, so that nobody is alone.
var drones = [...]struct {
	name string
	hue  int
}{{"wattle", 48}, {"banksia", 18}, {"waratah", 345}}

const (
	droneSight  = 260.0 // units from which a drone shoots at others
	droneThrust = 0.55  // part of the thrust that it uses
	droneReload = 4 * reloadTicks
)

func (w *World) addDrones(random *rand.Rand) {
	for i, d := range drones {
		// No pilot has this key: it is no name that can be chosen.
		w.Enter(fmt.Sprint("\x00", i), Ship{Name: d.name, Hue: d.hue, Drone: true}, random)
	}
}

// keys of the ships in their order.
func (w *World) keys() []string { return slices.Sorted(maps.Keys(w.Ships)) }

// pilots are the keys of the ships that are no drones.
func (w *World) pilots() (keys []string) {
	for key, s := range w.Ships {
		if !s.Drone {
			keys = append(keys, key)
		}
	}
	return keys
}

// fly is what a drone wants: the nearest seed, and to shoot at who is near, now
// and then.
func (w *World) fly(s *Ship) Steer {
	near, steer := math.Inf(1), Steer{Aim: s.Angle}
	for _, seed := range w.Seeds {
		if d := math.Hypot(seed.X-s.X, seed.Y-s.Y); d < near {
			near, steer.Aim = d, math.Atan2(seed.Y-s.Y, seed.X-s.X)
		}
	}
	sin, cos := math.Sincos(steer.Aim)
	steer.X, steer.Y = cos*droneThrust, sin*droneThrust
	if prey := w.prey(s); prey != nil {
		steer.Aim = math.Atan2(prey.Y-s.Y, prey.X-s.X)
		steer.Fire = (w.Tick+uint64(s.ID))%droneReload == 0
	}
	return steer
}

// prey is the nearest pilot in sight of a drone.
func (w *World) prey(s *Ship) (prey *Ship) {
	near := droneSight
	for _, key := range w.keys() {
		other := w.Ships[key]
		if d := math.Hypot(other.X-s.X, other.Y-s.Y); d < near && !other.Drone && other.Away <= w.Tick {
			near, prey = d, other
		}
	}
	return prey
}
