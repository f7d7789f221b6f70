package arena

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
)

// Pilot is somebody who plays. Clients are bound to it; its key is the name.
//
//mallee:actor
type Pilot interface {
	// Award adds points that the pilot has earned in a field.
	//mallee:oneway
	Award(ctx context.Context, points int) error
	//mallee:readonly
	Record(ctx context.Context) (Record, error)
}

// Record is what is kept of a pilot.
type Record struct {
	Entry  Entry // the last one
	Points int
}

type pilot struct {
	self    *mallee.Self
	place   Place
	record  *mallee.State[Record]
	online  *online
	session mallee.Session // of the client that plays; its ID is 0 without one
}

func newPilot(self *mallee.Self, node string) *pilot {
	return &pilot{self: self, place: Place{node, self.Epoch()}, record: mallee.NewState[Record](self, "record"), online: newOnline(self)}
}

// OnConnect goes back into the field where the session was before: the field
// may have it as it was elsewhere, or not at all.
func (p *pilot) OnConnect(ctx context.Context, s mallee.Session, a mallee.Arrival) error {
	p.session = s
	if err := p.tell(ctx, a.Again); err != nil {
		return err
	}
	if !a.Again || p.record.Value.Entry.Field == "" {
		return nil // the client says where it wants to go
	}
	return p.join(ctx)
}

func (p *pilot) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	var r Request
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return ErrInput.Errorf("%v", err)
	}
	switch {
	case r.Enter != nil:
		return p.enter(ctx, *r.Enter)
	case r.Steer != nil:
		return p.steer(ctx, *r.Steer)
	case r.Hall:
		return p.showHall(ctx, s)
	}
	return ErrInput.Errorf("a message that asks for nothing")
}

func (p *pilot) OnDisconnect(ctx context.Context, s mallee.Session, _ mallee.DisconnectReason) error {
	if s.ID != p.session.ID {
		return nil // a newer one plays
	}
	p.session = mallee.Session{}
	return p.field().Leave(ctx, p.self.Key(), s)
}

func (p *pilot) field() FieldRef { return FieldOf(p.self, p.record.Value.Entry.Field) }

// longestName bounds the name of a field, in bytes.
const longestName = 24

func (p *pilot) enter(ctx context.Context, e Entry) error {
	if e.Field == "" || len(e.Field) > longestName {
		return ErrInput.Errorf("the name of a field has 1 to %d bytes", longestName)
	}
	if before := p.record.Value.Entry.Field; before != "" && before != e.Field {
		if err := p.field().Leave(ctx, p.self.Key(), p.session); err != nil {
			return err
		}
	}
	if p.record.Value.Entry != e {
		p.record.Value.Entry = e
		if err := p.record.Save(ctx); err != nil {
			return err
		}
	}
	return p.join(ctx)
}

func (p *pilot) join(ctx context.Context) error {
	return p.field().Join(ctx, Entrant{Pilot: p.self.Key(), Session: p.session, Hue: p.record.Value.Entry.Hue})
}

// steerWithin bounds how long a wish is worth being told to a field that does
// not answer, since its node has just died.
const steerWithin = time.Second

// steer tells the field. One that has lost this pilot gets it anew.
func (p *pilot) steer(ctx context.Context, s Steer) error {
	if p.record.Value.Entry.Field == "" {
		return ErrAbsent
	}
	ctx, cancel := context.WithTimeout(ctx, steerWithin)
	defer cancel()
	err := p.field().Steer(ctx, p.self.Key(), s)
	if errors.Is(err, ErrAbsent) {
		err = p.join(ctx)
	}
	return err
}

func (p *pilot) Award(ctx context.Context, points int) error {
	p.record.Value.Points += points
	if err := p.record.Save(ctx); err != nil {
		return err
	}
	if p.session.ID != 0 {
		if err := p.tell(ctx, false); err != nil {
			return err
		}
	}
	r := p.record.Value
	return HallOf(p.self, world).Report(ctx, Standing{p.self.Key(), r.Entry.Hue, r.Points})
}

func (p *pilot) Record(context.Context) (Record, error) { return p.record.Value, nil }

func (p *pilot) showHall(ctx context.Context, s mallee.Session) error {
	best, err := HallOf(p.self, world).Best(ctx)
	if err != nil {
		return err
	}
	flying, err := p.online.Value.Len()
	if err != nil {
		return err
	}
	return p.send(ctx, s, Report{Hall: &HallView{Best: best, Online: flying}})
}

func (p *pilot) tell(ctx context.Context, again bool) error {
	return p.send(ctx, p.session, Report{You: &You{p.self.Key(), p.record.Value.Points, p.place, again}})
}

func (p *pilot) send(ctx context.Context, s mallee.Session, r Report) error {
	m, err := r.message()
	if err != nil {
		return err
	}
	return p.self.Send(ctx, m, s)
}

var _ mallee.Client = (*pilot)(nil)
