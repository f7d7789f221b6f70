package arena

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mallee-io/mallee"
)

// Field is where pilots fly.
//
//mallee:actor
type Field interface {
	// Join brings a pilot in. The session gets what happens from now on.
	Join(ctx context.Context, e Entrant) error
	// Leave takes a pilot and its session out.
	Leave(ctx context.Context, pilot string, s mallee.Session) error
	// Steer fails with ErrAbsent for a pilot that is not there.
	Steer(ctx context.Context, pilot string, s Steer) error
}

// Entrant is a pilot who comes.
type Entrant struct {
	Pilot   string
	Session mallee.Session
	Hue     int
}

// kept is what a crash leaves of a field.
type kept struct {
	World    World
	Sessions []mallee.Session
}

type field struct {
	self   *mallee.Self
	place  Place
	state  *mallee.State[kept]
	world  *World // of the state
	group  *mallee.Group
	online *online
	random *rand.Rand
	clock  *mallee.Timer // nil while nobody is there
}

func newField(self *mallee.Self, node string) Field {
	f := &field{
		self: self, place: Place{node, self.Epoch()}, state: mallee.NewState[kept](self, "world"), group: mallee.NewGroup(self),
		online: newOnline(self),
		random: rand.New(rand.NewPCG(rand.Uint64(), self.Epoch())),
	}
	f.world = &f.state.Value.World
	return f
}

// OnActivate goes on where the last activation was when it saved.
func (f *field) OnActivate(ctx context.Context) error {
	for _, s := range f.state.Value.Sessions {
		f.group.Join(s)
	}
	if len(f.world.pilots()) == 0 {
		return nil
	}
	f.run()
	if err := f.online.Value.Add(f.flights(f.world.pilots()...)...); err != nil {
		return err
	}
	return f.introduce(ctx)
}

// OnDeactivate saves what has happened since the last time, for the node to
// which the field moves.
func (f *field) OnDeactivate(ctx context.Context, _ mallee.Reason) error { return f.save(ctx) }

func (f *field) Join(ctx context.Context, e Entrant) error {
	if f.world.Ships[e.Pilot] == nil && len(f.world.pilots()) >= maxShips {
		return ErrFull
	}
	if len(f.world.pilots()) == 0 {
		f.world.addDrones(f.random)
	}
	f.world.Enter(e.Pilot, Ship{Name: e.Pilot, Hue: e.Hue}, f.random)
	f.group.Join(e.Session)
	f.run()
	if err := f.online.Value.Add(f.flights(e.Pilot)...); err != nil {
		return err
	}
	if err := f.save(ctx); err != nil {
		return err
	}
	return f.introduce(ctx)
}

func (f *field) Leave(ctx context.Context, pilot string, s mallee.Session) error {
	f.group.Leave(s)
	delete(f.world.Ships, pilot)
	if err := f.online.Value.Remove(f.flights(pilot)...); err != nil {
		return err
	}
	return f.introduce(ctx)
}

func (f *field) Steer(_ context.Context, pilot string, s Steer) error {
	ship := f.world.Ships[pilot]
	if ship == nil {
		return ErrAbsent
	}
	ship.Steer, ship.Heard = s, f.world.Tick
	return nil
}

func (f *field) run() {
	if f.clock == nil {
		f.clock = f.self.Every(time.Second/ticksPerSecond, f.tick)
	}
}

// saveTicks is how much a crash can take away.
const saveTicks = ticksPerSecond

func (f *field) tick(ctx context.Context) {
	events := f.world.Step(f.random)
	if err := f.show(ctx, Report{Frame: f.world.frame(events)}); err != nil {
		f.self.Log().Warn("a frame has not reached everybody", "error", err)
	}
	f.award(ctx, events)
	if f.world.Tick%saveTicks != 0 {
		return
	}
	if err := f.tidy(ctx); err != nil {
		f.self.Log().Warn("cannot save the field", "error", err)
	}
}

// award tells the pilots what they have earned in a tick.
func (f *field) award(ctx context.Context, events []Event) {
	for _, e := range events {
		if ship := f.world.Ships[e.Pilot]; e.Points == 0 || ship == nil || ship.Drone {
			continue
		}
		if err := PilotOf(f.self, e.Pilot).Award(ctx, e.Points); err != nil {
			f.self.Log().Warn("points are lost", "pilot", e.Pilot, "points", e.Points, "error", err)
		}
	}
}

// tidy takes out who has not been heard of, saves, and stops the clock when
// nobody is left.
func (f *field) tidy(ctx context.Context) error {
	gone := f.world.dropSilent()
	if len(f.world.pilots()) == 0 {
		f.clock.Stop()
		f.clock = nil
	}
	if len(gone) > 0 {
		if err := errors.Join(f.online.Value.Remove(f.flights(gone...)...), f.introduce(ctx)); err != nil {
			return err
		}
	}
	return f.save(ctx)
}

func (f *field) save(ctx context.Context) error {
	f.state.Value.Sessions = f.group.Sessions()
	return f.state.Save(ctx)
}

// introduce tells everybody who is there.
func (f *field) introduce(ctx context.Context) error {
	return f.show(ctx, Report{Field: f.view()})
}

func (f *field) view() *FieldView {
	v := &FieldView{Name: f.self.Key(), Place: f.place, Width: Width, Height: Height, Ships: []ShipView{}}
	for _, key := range f.world.keys() {
		s := f.world.Ships[key]
		v.Ships = append(v.Ships, ShipView{s.ID, s.Name, s.Hue, s.Drone})
	}
	return v
}

func (f *field) show(ctx context.Context, r Report) error {
	m, err := r.message()
	if err != nil {
		return err
	}
	return f.group.Send(ctx, m)
}

var (
	_ mallee.Activator   = (*field)(nil)
	_ mallee.Deactivator = (*field)(nil)
)
