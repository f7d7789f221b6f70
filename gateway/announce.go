package gateway

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

// announcements paces the calls that tell actors of sessions which they have
// had before: when a node fails, all of its sessions are announced at once.
type announcements struct {
	slots chan struct{} // one for each call

	mu      sync.Mutex
	waiting []*session
	running int
	lost    []placement.NodeID // lately, the newest last
}

const (
	maxAnnouncements = 64
	maxLost          = 64
	// announceJitter keeps gateways from calling the nodes that are left all at
	// the same moment.
	announceJitter = 50 * time.Millisecond
)

// announce tells the actor of the session.
func (s *session) announce(actor sessions.MalleeSessionsRef, who mallee.Session) {
	g := s.gateway
	s.mu.Lock()
	arrival := mallee.Arrival{Login: s.login, Again: s.again}
	s.mu.Unlock()
	if arrival.Again {
		select {
		case g.announcing.slots <- struct{}{}:
			defer func() { <-g.announcing.slots }()
		case <-g.ended.Done():
			return
		}
		g.counts.announced.Add(1)
	}
	host, err := actor.Connect(g.ended, who, arrival, g.config.Alone)
	s.mu.Lock()
	switch {
	case err == nil:
		s.connected(who, host)
		s.mu.Unlock()
	case !s.again && (errors.Is(err, mallee.ErrNotFound) || errors.Is(err, mallee.ErrActivation)):
		s.refused(err)
		s.mu.Unlock()
	case passes(err), unsure(err):
		s.again = s.again || !mallee.SafeToRetry(err)
		s.retry(err)
	default:
		s.refused(err)
		s.mu.Unlock()
	}
}

// connected takes note of where the actor is. What has become known meanwhile
// of that activation, or of the session's own place, counts. It needs mu.
func (s *session) connected(who mallee.Session, host sessions.Host) {
	s.again, s.host = true, host
	s.attached = s.at == who.At && s.gone < host.Epoch && !s.gateway.announcing.hasLost(placement.NodeID(host.Node))
	if s.attached && s.in.Len() == 0 {
		s.trouble = 0
	}
	s.opened()
}

// refused ends a session that its actor does not want. It needs mu.
func (s *session) refused(err error) {
	code := edge.CodeRefused
	switch {
	case errors.Is(err, mallee.ErrNotFound), errors.Is(err, mallee.ErrInvalid):
		code = edge.CodeNoActor
	case errors.Is(err, mallee.ErrActivation):
		code = edge.CodeUnavailable
	}
	s.gateway.log.Info("an actor refuses a session", "session", s.id, "actor", s.actor, "error", err)
	s.end(mallee.DisconnectKicked, code, refusal(err))
}

// refusal is what a client is told: words of the actor's own, but nothing of a
// failure's inside.
func refusal(err error) string {
	e := mallee.AsError(err)
	switch {
	case strings.ContainsRune(string(e.Code), '.'): // an application's
		return e.Message
	case e.Code == mallee.CodeNotFound, e.Code == mallee.CodeInvalid:
		return "there is no such actor for sessions"
	case e.Code == mallee.CodeUnknown:
		return "the actor refuses the session"
	}
	return "the actor has failed"
}

// announceAgain tells the actors of these sessions of them once more.
func (g *Gateway) announceAgain(list []*session) {
	a := &g.announcing
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, list...)
	for a.running < min(maxAnnouncements, len(a.waiting)) {
		a.running++
		go g.announceWaiting()
	}
}

func (g *Gateway) announceWaiting() {
	for {
		s := g.announcing.take()
		if s == nil {
			return
		}
		s.mu.Lock()
		begin := !s.busy && s.task() != rest
		s.busy = s.busy || begin
		s.mu.Unlock()
		if begin && s.step() {
			go s.deliver() // what else there is must not keep the others waiting
		}
	}
}

func (a *announcements) take() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.waiting = nil
		a.running--
		return nil
	}
	s := a.waiting[0]
	a.waiting[0] = nil
	a.waiting = a.waiting[1:]
	return s
}

func (a *announcements) lose(node placement.NodeID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.lost) == maxLost {
		a.lost = a.lost[1:]
	}
	a.lost = append(a.lost, node)
}

func (a *announcements) hasLost(node placement.NodeID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.lost, node)
}

// Lost announces the sessions anew that were attached on a node that is gone.
func (g *Gateway) Lost(node placement.NodeID) {
	g.announcing.lose(node)
	g.routed(func(t *handover.Table) []handover.Effect { return t.Gone(node) })
	var list []*session
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		if s.attached && placement.NodeID(s.host.Node) == node {
			s.attached = false
			list = append(list, s)
		}
		s.mu.Unlock()
	}
	if len(list) == 0 {
		return
	}
	g.log.Info("sessions are announced anew, since a node is gone", "node", node, "sessions", len(list))
	time.AfterFunc(rand.N(announceJitter), func() { g.announceAgain(list) })
}

// detached announces sessions anew whose activation has ended.
func (g *Gateway) detached(order *sessions.Detached) {
	var list []*session
	for _, s := range g.sessions.findAll(nil, order.Sessions) {
		if s == nil {
			continue
		}
		s.mu.Lock()
		s.gone = max(s.gone, order.Epoch)
		if s.attached && s.host.Epoch <= order.Epoch {
			s.attached = false
			list = append(list, s)
		}
		s.mu.Unlock()
	}
	if len(list) > 0 {
		g.announceAgain(list)
	}
}

// Renamed gives every session a place at the node's new ID, and announces it
// from there: the nodes of its actors have taken it for lost.
func (g *Gateway) Renamed(id placement.NodeID) {
	list := g.sessions.all()
	g.log.Warn("the node has another ID: sessions are announced anew", "node", id, "sessions", len(list))
	for _, s := range list {
		s.mu.Lock()
		if s.state != ended && s.state != taken {
			at, err := g.sessions.reserve(id)
			if err != nil {
				s.end(mallee.DisconnectLost, edge.CodeInternal, "the gateway has no place in its cluster")
				s.mu.Unlock()
				continue
			}
			s.older = append(s.older, s.at)
			g.sessions.put(s, at)
			s.attached = false
			if s.state == online {
				s.welcome(true)
			}
		}
		s.mu.Unlock()
	}
	g.announceAgain(list)
}
