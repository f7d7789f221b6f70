package gateway

import (
	"math/rand/v2"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/placement"
)

// Missing ends the epoch of every session: what is missing may have been for any,
// and a client that is told too much is better than one that is told nothing. The
// end of an activation may be missing, too, so sessions are announced again.
func (g *Gateway) Missing(from placement.NodeID) {
	g.routed(func(t *handover.Table) []handover.Effect { return t.Missing(from) })
	var list []*session
	all := g.sessions.all()
	for _, s := range all {
		if s.missed(from) {
			list = append(list, s)
		}
	}
	g.log.Warn("clients are told that messages may be missing, since this node was out of reach of another one", "node", from, "sessions", len(all))
	if len(list) > 0 {
		time.AfterFunc(rand.N(announceJitter), func() { g.announceAgain(list) })
	}
}

// missed reports whether the session has to be announced again.
func (s *session) missed(from placement.NodeID) bool {
	s.confuse()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.attached || placement.NodeID(s.host.Node) != from || s.state >= taken {
		return false
	}
	s.attached = false
	return true
}
