package gateway

import (
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// sweep looks after sessions that nothing else happens to, until the gateway
// ends: one goroutine instead of timers for each.
func (g *Gateway) sweep() {
	defer close(g.swept)
	ticks := time.NewTicker(g.config.tick())
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			now := g.now()
			for _, s := range g.sessions.all() {
				s.sweep(now)
			}
		case <-g.full:
		case <-g.ended.Done():
			return
		}
		g.shed()
	}
}

// tick is how exact times are kept: to a quarter of the shortest.
func (c *Config) tick() time.Duration {
	return min(max(min(c.Ping, c.Idle, c.Window)/4, 10*time.Millisecond), time.Second)
}

// sweep does what time has made due.
func (s *session) sweep(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.gateway.config
	switch {
	case s.conn != nil:
		s.listen(now)
	case s.state == away && now-s.since >= c.Window:
		s.finished(mallee.DisconnectLost)
	}
	if s.state == online {
		s.acknowledge(1)
		if !s.plain && now-s.issued >= tokenLife/2 {
			s.welcome(true)
		}
	}
	s.in.Sweep()
	s.out.Sweep(now)
	s.account()
}

// listen asks a client that is silent to show that it lives, and closes the
// connection of one that does not. It needs mu.
func (s *session) listen(now time.Duration) {
	c := &s.gateway.config
	if heard := s.conn.Heard(); heard != s.heard || s.room != nil { // what is not read is not heard
		s.heard, s.since, s.asked = heard, now, false
		return
	}
	switch silent := now - s.since; {
	case silent >= c.Idle:
		s.hangUp(edge.CodeIdle, "nothing was heard of the client")
	case silent >= c.Ping && !s.asked:
		s.asked = true
		conn := s.conn
		go func() { _ = conn.Ping() }() // its failure shows in Read
	}
}
