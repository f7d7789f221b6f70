package arena

import (
	"math"
	"math/rand/v2"
)

// Size of a field in units, all of which the page shows.
const (
	Width  = 1600.0
	Height = 1080.0
)

// Measures of the game. Lengths are in units.
const (
	ticksPerSecond = 20
	dt             = 1.0 / ticksPerSecond // s

	maxShips    = 64
	fullEnergy  = 3
	seedsAtOnce = 24

	shipRadius = 20.0
	thrust     = 1300.0 // units/s²
	drag       = 2.6    // 1/s: the top speed is 500 units/s
	boltSpeed  = 900.0
	recoil     = 220.0 // units/s that a hit pushes

	boltTicks   = 16
	reloadTicks = 6
	restTicks   = 40  // until a ship that was shot is back
	shieldTicks = 30  // in which nothing can hit it
	absentTicks = 300 // in which nothing was heard of its pilot

	seedPoints, kill = 1, 5
)

// World is the state of a field, and Step its rules. It knows neither time nor
// clients.
type World struct {
	Tick  uint64
	Last  uint32           // number that was given to a ship, seed or bolt
	Ships map[string]*Ship // by the pilot's key
	Seeds []Seed
	Bolts []Bolt
}

// Ship of a pilot, or a drone.
type Ship struct {
	ID     uint32
	Name   string
	Hue    int // of its colour, in degrees
	Drone  bool
	Score  int // of its visit to the field
	Energy int

	X, Y, VX, VY, Angle float64

	Steer  Steer
	Heard  uint64 // tick in which its pilot steered
	Reload uint64 // ticks until which it cannot shoot, is away, is shielded
	Away   uint64
	Shield uint64
}

// Steer is what a pilot wants.
type Steer struct {
	X    float64 `json:"x"` // direction and part of the thrust, from -1 to 1
	Y    float64 `json:"y"`
	Aim  float64 `json:"aim"` // radians
	Fire bool    `json:"fire"`
}

// Seed can be collected.
type Seed struct {
	ID   uint32
	X, Y float64
}

// Bolt is a shot that flies.
type Bolt struct {
	ID           uint32
	From         string // key of the ship
	Hue          int
	X, Y, VX, VY float64
	Left         int // ticks
}

// Event is what the page makes visible, and what somebody earns.
type Event struct {
	Kind   string // seed, shot, hit, boom
	X, Y   float64
	Hue    int
	Pilot  string // who earns
	Points int
}

func (w *World) number() uint32 {
	w.Last++
	return w.Last
}

// Enter brings a ship in. One that is there stays as it is.
func (w *World) Enter(key string, ship Ship, random *rand.Rand) {
	if w.Ships == nil {
		w.Ships = make(map[string]*Ship)
	}
	if there := w.Ships[key]; there != nil {
		there.Hue, there.Heard = ship.Hue, w.Tick
		return
	}
	ship.ID, ship.Heard = w.number(), w.Tick
	w.Ships[key] = &ship
	w.place(&ship, random)
}

// place puts a ship somewhere, whole and shielded.
func (w *World) place(s *Ship, random *rand.Rand) {
	s.X, s.Y = spot(random)
	s.VX, s.VY, s.Energy = 0, 0, fullEnergy
	s.Shield = w.Tick + shieldTicks
}

func spot(random *rand.Rand) (x, y float64) {
	const margin = 3 * shipRadius
	return margin + random.Float64()*(Width-2*margin), margin + random.Float64()*(Height-2*margin)
}

// Step is one tick.
func (w *World) Step(random *rand.Rand) (events []Event) {
	w.Tick++
	for len(w.Seeds) < seedsAtOnce {
		x, y := spot(random)
		w.Seeds = append(w.Seeds, Seed{w.number(), x, y})
	}
	for _, key := range w.keys() { // in order, so that the same input has the same outcome
		s := w.Ships[key]
		switch {
		case s.Away == w.Tick:
			w.place(s, random)
		case s.Away > w.Tick:
			continue
		}
		if s.Drone {
			s.Steer = w.fly(s)
		}
		s.move()
		w.bump(key, s)
		events = w.collect(key, s, events)
		events = w.shoot(key, s, events)
	}
	return w.moveBolts(random, events)
}

func (s *Ship) move() {
	x, y := s.Steer.X, s.Steer.Y
	if length := math.Hypot(x, y); length > 1 {
		x, y = x/length, y/length
	}
	s.Angle = s.Steer.Aim
	s.VX += (x*thrust - s.VX*drag) * dt
	s.VY += (y*thrust - s.VY*drag) * dt
	s.X, s.VX = bounce(s.X+s.VX*dt, s.VX, Width)
	s.Y, s.VY = bounce(s.Y+s.VY*dt, s.VY, Height)
}

// bounce keeps a ship inside of 0 to size.
func bounce(at, speed, size float64) (float64, float64) {
	if at < shipRadius {
		return shipRadius, math.Abs(speed) / 2
	}
	if at > size-shipRadius {
		return size - shipRadius, -math.Abs(speed) / 2
	}
	return at, speed
}

// bump pushes the ship out of others, and both apart.
func (w *World) bump(key string, s *Ship) {
	const apart, push = 2 * shipRadius, 60.0 // units, units/s
	for _, k := range w.keys() {
		other := w.Ships[k]
		x, y := s.X-other.X, s.Y-other.Y
		d := math.Hypot(x, y)
		if k == key || other.Away > w.Tick || d >= apart || d == 0 {
			continue
		}
		x, y = x/d, y/d
		s.VX, s.VY = s.VX+x*push, s.VY+y*push
		other.VX, other.VY = other.VX-x*push, other.VY-y*push
	}
}

// collect takes the seeds that the ship touches: each is a point, and energy.
func (w *World) collect(key string, s *Ship, events []Event) []Event {
	left := w.Seeds[:0]
	for _, seed := range w.Seeds {
		if math.Hypot(seed.X-s.X, seed.Y-s.Y) > shipRadius+14 {
			left = append(left, seed)
			continue
		}
		s.Score += seedPoints
		s.Energy = min(s.Energy+1, fullEnergy)
		events = append(events, Event{"seed", seed.X, seed.Y, s.Hue, key, seedPoints})
	}
	w.Seeds = left
	return events
}

func (w *World) shoot(key string, s *Ship, events []Event) []Event {
	if !s.Steer.Fire || s.Reload > w.Tick {
		return events
	}
	s.Reload = w.Tick + reloadTicks
	sin, cos := math.Sincos(s.Angle)
	w.Bolts = append(w.Bolts, Bolt{
		ID: w.number(), From: key, Hue: s.Hue, X: s.X + cos*shipRadius, Y: s.Y + sin*shipRadius,
		VX: cos * boltSpeed, VY: sin * boltSpeed, Left: boltTicks,
	})
	return append(events, Event{Kind: "shot", X: s.X, Y: s.Y, Hue: s.Hue})
}

func (w *World) moveBolts(random *rand.Rand, events []Event) []Event {
	left := w.Bolts[:0]
	for _, b := range w.Bolts {
		if hit := w.target(&b); hit != "" {
			events = w.hit(&b, hit, random, events)
			continue
		}
		b.X, b.Y, b.Left = b.X+b.VX*dt, b.Y+b.VY*dt, b.Left-1
		if b.Left > 0 && b.X > 0 && b.X < Width && b.Y > 0 && b.Y < Height {
			left = append(left, b)
		}
	}
	w.Bolts = left
	return events
}

// target is the ship that the bolt meets in this tick.
func (w *World) target(b *Bolt) string {
	for _, key := range w.keys() {
		s := w.Ships[key]
		if key == b.From || s.Away > w.Tick || s.Shield > w.Tick {
			continue
		}
		// The point of the bolt's way that is nearest to the ship.
		way := math.Hypot(b.VX, b.VY) * dt
		along := ((s.X-b.X)*b.VX + (s.Y-b.Y)*b.VY) * dt / (way * way)
		along = min(max(along, 0), 1)
		if math.Hypot(s.X-b.X-b.VX*dt*along, s.Y-b.Y-b.VY*dt*along) < shipRadius+4 {
			return key
		}
	}
	return ""
}

// hit takes energy of a ship. One that has none left leaves seeds, and comes
// back after a rest.
func (w *World) hit(b *Bolt, key string, random *rand.Rand, events []Event) []Event {
	s := w.Ships[key]
	s.Energy--
	s.VX += b.VX / boltSpeed * recoil
	s.VY += b.VY / boltSpeed * recoil
	if s.Energy > 0 {
		return append(events, Event{Kind: "hit", X: s.X, Y: s.Y, Hue: s.Hue})
	}
	s.Away = w.Tick + restTicks
	for range fullEnergy {
		x, y := s.X+random.NormFloat64()*2*shipRadius, s.Y+random.NormFloat64()*2*shipRadius
		w.Seeds = append(w.Seeds, Seed{w.number(), min(max(x, 0), Width), min(max(y, 0), Height)})
	}
	boom := Event{Kind: "boom", X: s.X, Y: s.Y, Hue: s.Hue}
	if from := w.Ships[b.From]; from != nil {
		from.Score += kill
		boom.Pilot, boom.Points = b.From, kill
	}
	return append(events, boom)
}

// dropSilent takes out the ships of pilots who do not steer any more.
func (w *World) dropSilent() (gone []string) {
	for key, s := range w.Ships {
		if !s.Drone && s.Heard+absentTicks < w.Tick {
			delete(w.Ships, key)
			gone = append(gone, key)
		}
	}
	return gone
}
