package transport

import (
	"slices"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// audience are the Koala hosts that have sessions of this process's gateway.
//
// What an actor of a host sends to clients goes over the connection that the
// host has dialled. The actor looks for it when it is told of a session, and
// keeps what it has found: where it finds none, or where the connection ends,
// all that it sends is lost until it is told anew. Nothing says which host has
// dialled, so its address has to tell. When the connection ends that this node
// has dialled, what it was told of last may be lost.
type audience struct {
	life *koalaLife

	mu    sync.Mutex // before koalaLife.mu
	hosts map[placement.NodeID]*audienceHost
}

// audienceHost is a host that sessions are announced to; guarded by audience.mu.
//
//	deaf ──connected both ways, or not waited for any more─► hears
//	 ▲                                                     │
//	 └─a connection to it ends, or one that may be its own─┘
type audienceHost struct {
	hears chan struct{} // closed while it hears
	until time.Time     // how long it is waited for
	actor map[mallee.ID][]announced
}

// announced is a session that a host has been told of. Those of an actor are in
// the order in which it has.
type announced struct {
	mallee.Session
	how mallee.Arrival
}

func (a *audience) init(l *koalaLife) {
	a.life, a.hosts = l, make(map[placement.NodeID]*audienceHost)
}

// host needs mu.
func (a *audience) host(id placement.NodeID) *audienceHost {
	h := a.hosts[id]
	if h == nil {
		h = &audienceHost{hears: make(chan struct{}), until: time.Now().Add(a.life.config.DialIn), actor: make(map[mallee.ID][]announced)}
		a.hosts[id] = h
	}
	return h
}

// wait returns when the host hears what this node's clients are told.
func (a *audience) wait(id placement.NodeID, end time.Time) error {
	a.mu.Lock()
	h := a.host(id)
	a.look(id, h)
	hears, until := h.hears, h.until
	a.mu.Unlock()
	if isClosed(hears) {
		return nil
	}
	timer := time.NewTimer(min(time.Until(end), time.Until(until)))
	defer timer.Stop()
	select {
	case <-hears:
		return nil
	case <-a.life.ctx.Done():
		return unavailable("node %s has left the network", a.life.node)
	case <-timer.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.look(id, h); isClosed(h.hears) {
		return nil
	}
	return unavailable("host %s has not dialled this node yet, and could send nothing to clients", id)
}

// lookAll looks whether hosts have dialled in meanwhile.
func (a *audience) lookAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, h := range a.hosts {
		a.look(id, h)
	}
}

// look needs mu. What a host had been told of before it became deaf, it is told
// of again.
func (a *audience) look(id placement.NodeID, h *audienceHost) {
	if isClosed(h.hears) {
		return
	}
	c, dialledIn := a.life.existing(id), a.dialledIn(id)
	if (c == nil || !dialledIn) && time.Now().Before(h.until) {
		return
	}
	if !dialledIn {
		a.life.config.Log.Warn("host has not dialled this node: what its actors send to clients may be lost", "node", a.life.node, "host", id)
	}
	defer close(h.hears)
	for actor, list := range h.actor {
		h.keep(actor, slices.DeleteFunc(list, func(s announced) bool { // its next message announces what cannot be now
			return c == nil || c.notify(newSession(actor, &s), s.how.Login) != nil
		}))
	}
}

// dialledIn reports whether each foreign member at the host's address can have a
// connection here.
func (a *audience) dialledIn(id placement.NodeID) bool {
	ip := a.life.members.ip(id)
	return a.life.inboundFrom(ip) >= a.life.members.at(ip)
}

// lost takes a connection out that has ended, and makes its host deaf, or the
// hosts whose own it may have been, before anybody finds another one. It reports
// whether the node is still there to be told.
func (a *audience) lost(c *koalaConn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := a.life.forget(c)
	for id, h := range a.hosts {
		own := isInbound(c.id) && a.life.members.ip(id) == c.ip && !a.dialledIn(id)
		if isClosed(h.hears) && (own || id == c.id) {
			h.hears, h.until = make(chan struct{}), time.Now().Add(a.life.config.DialIn)
		}
	}
	return there
}

// beat keeps a connection to each host, since its actors may be called any time.
func (a *audience) beat() {
	a.lookAll()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.hosts {
		if c, _, _ := a.life.attempt(id); c == nil && !a.life.members.known(id) {
			delete(a.hosts, id)
		}
	}
}

// announce tells a host of a session. Where alone is set it answers where the
// actor's other sessions of the user are.
func (a *audience) announce(c *koalaConn, actor mallee.ID, s announced, alone bool) (replaced []uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := c.notify(newSession(actor, &s), s.how.Login); err != nil {
		return nil, err
	}
	h := a.host(c.id)
	h.forget(actor, s.ID)
	if alone && s.User != "" {
		for _, other := range h.actor[actor] {
			if other.User == s.User {
				replaced = append(replaced, other.At)
			}
		}
	}
	h.actor[actor] = append(h.actor[actor], s)
	return replaced, nil
}

func (a *audience) find(host placement.NodeID, actor mallee.ID, session uint64) (mallee.Session, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hosts[host]
	if h == nil {
		return mallee.Session{}, false
	}
	i := slices.IndexFunc(h.actor[actor], func(s announced) bool { return s.ID == session })
	if i < 0 {
		return mallee.Session{}, false
	}
	return h.actor[actor][i].Session, true
}

// end forgets a session, and reports whether its actor has to hear of that. An
// actor of Koala forgets its session whichever ends: so it does not hear of one
// whose user has come back in another.
func (a *audience) end(host placement.NodeID, actor mallee.ID, s mallee.Session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hosts[host]
	if h == nil {
		return true
	}
	list := h.actor[actor]
	i := slices.IndexFunc(list, func(other announced) bool { return other.ID == s.ID })
	if i >= 0 && list[i].At != s.At {
		return false // it is somewhere else now
	}
	later := list[i+1:] // all of them, where it has been forgotten
	again := slices.ContainsFunc(later, func(other announced) bool { return other.User == s.User && s.User != "" })
	h.forget(actor, s.ID)
	return !again
}

// forget takes a session out.
func (h *audienceHost) forget(actor mallee.ID, session uint64) {
	h.keep(actor, slices.DeleteFunc(h.actor[actor], func(s announced) bool { return s.ID == session }))
}

func (h *audienceHost) keep(actor mallee.ID, list []announced) {
	if len(list) == 0 {
		delete(h.actor, actor)
		return
	}
	h.actor[actor] = list
}
