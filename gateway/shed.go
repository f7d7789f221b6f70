package gateway

import (
	"cmp"
	"slices"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// account keeps the gateway's figure of memory, and ends the session when there
// is none left. It needs mu, and is called whenever a stream has changed.
func (s *session) account() {
	g := s.gateway
	if s.state == ended && s.conn == nil {
		s.out.Clear()
	}
	if s.state == ended && s.buried {
		s.in.Clear() // until then the actor may get what waits
	}
	now := int64(s.out.Held() + s.in.Held())
	if s.to != 0 {
		now = 0
	}
	switch more := now - s.counted; {
	case more == 0:
	case more < 0:
		g.memory.Release(-more)
		s.counted = now
	case g.memory.Reserve(more):
		s.counted = now
		if g.memory.Excess() > 0 {
			g.wantShed()
		}
	default:
		g.counts.shed.Add(1)
		s.end(mallee.DisconnectLost, edge.CodeOverloaded, shortOfMemory)
	}
}

const shortOfMemory = "the gateway is short of memory"

// wantShed wakes the sweep.
func (g *Gateway) wantShed() {
	select {
	case g.full <- struct{}{}:
	default:
	}
}

// shed ends sessions, those with the most memory first, until there is room
// again.
func (g *Gateway) shed() {
	excess := g.memory.Excess()
	if excess == 0 {
		return
	}
	type load struct {
		session *session
		bytes   int64
	}
	list := make([]load, 0, g.sessions.count())
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		if s.state < taken {
			list = append(list, load{s, s.counted})
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b load) int { return cmp.Compare(b.bytes, a.bytes) })
	ended := int64(0)
	for _, l := range list {
		if excess <= 0 || l.bytes == 0 {
			break
		}
		excess -= l.bytes
		ended++
		l.session.mu.Lock()
		l.session.end(mallee.DisconnectLost, edge.CodeOverloaded, shortOfMemory)
		l.session.mu.Unlock()
	}
	g.counts.shed.Add(ended)
	g.log.Warn("sessions with much memory were ended, to stay within the bound", "sessions", ended, "bound", g.config.MaxMemory)
}
