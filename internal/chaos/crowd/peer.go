package crowd

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
)

const (
	// sendEvery is how often peers and halls send something by themselves.
	sendEvery = 100 * time.Millisecond
	// enterEvery is after how many of these times a peer enters its hall again,
	// which may have been activated anew.
	enterEvery  = 5
	enterWithin = time.Second
)

// Peer is the actor of one client: PeerType is what gateways bind clients to. It
// echoes what the client says, which are numbers of operations, and sends notes
// of its own.
//
//mallee:actor
type Peer interface {
	// Last is the number of the last operation of the client.
	Last(ctx context.Context) (op int64, err error)
}

type peer struct {
	self    *mallee.Self
	turns   Turns
	session mallee.Session // its ID is 0 without one
	ticks   int
	moved
}

// moved is what a peer takes along when it moves: then its client misses nothing.
type moved struct {
	Line line
	Last int64
}

var (
	_ mallee.Client   = (*peer)(nil)
	_ mallee.Migrator = (*peer)(nil)
)

func newPeer(self *mallee.Self, turns Turns) Peer {
	p := &peer{self: self, turns: turns, moved: moved{Line: newLine(self)}}
	self.Every(sendEvery, p.tick)
	return p
}

func (p *peer) OnConnect(ctx context.Context, s mallee.Session, _ mallee.Arrival) error {
	p.session, p.ticks = s, 0
	return p.Line.send(ctx, 0, p.send)
}

func (p *peer) OnMessage(ctx context.Context, _ mallee.Session, m mallee.Message) error {
	op, err := strconv.ParseInt(string(m.Data), 10, 64)
	if err != nil {
		return err
	}
	return p.turns.Run(p.self.ID(), p.self.Epoch(), op, func() error {
		p.moved.Last = op
		return p.Line.send(ctx, op, p.send)
	})
}

func (p *peer) OnDisconnect(ctx context.Context, s mallee.Session, _ mallee.DisconnectReason) error {
	if s != p.session {
		return nil
	}
	p.session = mallee.Session{}
	return p.hall().Leave(ctx, s)
}

func (p *peer) Last(context.Context) (op int64, err error) { return p.moved.Last, nil }

// tick sends a note, and enters the hall now and then. Failures are seen by the
// client: its notes say what may be missing.
func (p *peer) tick(ctx context.Context) {
	if p.session.ID == 0 {
		return
	}
	if err := p.Line.send(ctx, 0, p.send); err != nil {
		p.self.Log().Warn("a note was not sent", "error", err)
	}
	if p.ticks++; p.ticks%enterEvery != 1 {
		return
	}
	entering, cancel := context.WithTimeout(ctx, enterWithin)
	defer cancel()
	if err := p.hall().Enter(entering, p.session); err != nil {
		p.self.Log().Warn("the hall does not answer", "error", err)
	}
}

func (p *peer) send(ctx context.Context, m mallee.Message) error {
	return p.self.Send(ctx, m, p.session)
}

func (p *peer) hall() HallRef { return hallOf(p.self, p.self.Key()) }

// SaveForMove implements mallee.Migrator.
func (p *peer) SaveForMove(context.Context) ([]byte, error) { return json.Marshal(p.moved) }

// RestoreAfterMove implements mallee.Migrator.
func (p *peer) RestoreAfterMove(_ context.Context, state []byte) error {
	return json.Unmarshal(state, &p.moved)
}
