package gateway

import (
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

// push gives one message to all of its sessions. Its frame is theirs in common.
func (g *Gateway) push(from placement.NodeID, sender mallee.ID, order *sessions.Push) {
	frame := frame(order.Message)
	list := g.lists.Get().(*sessionList)
	list.all = g.sessions.findAll(list.all, order.Sessions)
	g.counts.pushed.Add(int64(len(list.all)))
	var moved []sessions.Relocation
	by := newFan(len(list.all))
	now, moves := g.now(), g.moves.active()
	for i, s := range list.all {
		at := order.Sessions[i]
		if moves && g.direct(at, handover.Order{Kind: handover.Push, Origin: from, Sender: sender, Frame: frame}) {
			continue
		}
		if s != nil && s.push(frame, now, by) {
			continue
		}
		// It may have been given away a moment ago.
		if !g.direct(at, handover.Order{Kind: handover.Push, Origin: from, Sender: sender, Frame: frame}) {
			moved = append(moved, sessions.Relocation{From: at})
		}
	}
	clear(list.all)
	list.all = list.all[:0]
	g.lists.Put(list)
	by.start()
	g.tell(sender, moved)
}

func frame(m mallee.Message) *carrier.Outgoing {
	kind := edge.KindBinary
	if m.Text {
		kind = edge.KindText
	}
	return &carrier.Outgoing{Frame: carrier.Frame{Kind: kind, Data: m.Data}}
}

// sessionList is memory for the sessions of a push.
type sessionList struct{ all []*session }

// push takes a message for the client, which the fan writes, and reports whether
// the session is here.
func (s *session) push(frame *carrier.Outgoing, now time.Duration, by *fan) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != 0 || s.state == ended {
		return false
	}
	switch s.out.Push(frame, now) {
	case stream.Kept:
		s.wakeBy(by)
	case stream.Dropped:
		s.gateway.counts.dropped.Add(1)
		s.wakeBy(by)
	case stream.Slow:
		s.hangUp(edge.CodeSlow, "the client does not read fast enough")
	}
	s.account()
	return true
}

// tell tells an actor once where sessions are to which it has sent. What is not
// told is told when it sends the next time.
func (g *Gateway) tell(sender mallee.ID, moved []sessions.Relocation) {
	if len(moved) == 0 || sender == (mallee.ID{}) {
		return
	}
	g.counts.strayed.Add(int64(len(moved)))
	select {
	case g.telling <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-g.telling }()
		if err := sessions.MalleeSessionsAt(g.caller, sender).Moved(g.ended, moved); err != nil {
			g.log.Debug("an actor was not told that sessions are gone", "actor", sender, "sessions", len(moved), "error", err)
		}
	}()
}
