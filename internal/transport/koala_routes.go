package transport

import (
	"net"
	"net/netip"
	"time"

	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// proofTime is how long a gateway may take for its first sign of life.
const proofTime = time.Second

// tell sends a message about a session to its gateway.
func (l *koalaLife) tell(gateway placement.NodeID, at uint64, m koala.Message, body []byte) error {
	routes := l.routes(gateway, at)
	if len(routes) == 0 {
		return unavailable("there is no connection to gateway %s", gateway)
	}
	if _, ok := m.(*koala.RequestCloseSession); ok {
		l.guests.close(at)
	}
	var err error
	for _, c := range routes {
		err = c.notify(m, body)
	}
	return err
}

// routes are the connections on which a gateway hears of a session: the one that
// this node has dialled, if the gateway has ever said a word on it. The original
// gateway drops all connections that it accepts, but hears on those that it has
// dialled: then it is the one that has brought the session's latest message, or
// any message of that gateway. An actor may live where none has come: then it is
// each that could be the gateway's, as hosts and other gateways skip what is not
// for them.
func (l *koalaLife) routes(gateway placement.NodeID, at uint64) []*koalaConn {
	others := l.accepted(gateway, at)
	if own := l.proven(gateway, len(others) > 0); own != nil {
		return []*koalaConn{own}
	}
	return others
}

// proven is the dialled connection to a gateway, if that is known to hear on it.
func (l *koalaLife) proven(gateway placement.NodeID, others bool) *koalaConn {
	if !l.members.gateway(gateway) {
		return nil
	}
	c, d, err := l.attempt(gateway)
	if err != nil || d != nil && d.again && others { // it comes too late for this message
		return nil
	}
	timer := time.NewTimer(proofTime)
	defer timer.Stop()
	if d != nil {
		select {
		case <-d.done:
			c = d.conn
		case <-timer.C:
		}
	}
	if c == nil {
		return nil
	}
	if !c.proven.Load() && time.Since(c.begun) < proofTime {
		select {
		case <-c.proof:
		case <-timer.C:
		}
	}
	if !c.proven.Load() {
		return nil
	}
	return c
}

func (l *koalaLife) accepted(gateway placement.NodeID, at uint64) (could []*koalaConn) {
	if c := l.guests.broughtBy(at); c != nil && !c.ofHost.Load() && l.existing(c.id) == c {
		return []*koalaConn{c}
	}
	ip := l.members.ip(gateway)
	l.mu.Lock()
	defer l.mu.Unlock()
	var latest *koalaConn
	for _, c := range l.conns {
		switch {
		case !isInbound(c.id) || c.ofHost.Load():
		case c.gateway.Load() == uint64(gateway):
			if latest == nil || latest.id < c.id {
				latest = c
			}
		case c.gateway.Load() == 0 && c.ip == ip:
			could = append(could, c)
		}
	}
	if latest != nil {
		return []*koalaConn{latest}
	}
	return could
}

// broughtBy is the connection on which the session's latest message has come.
func (g *guests) broughtBy(at uint64) *koalaConn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.all[at]; s != nil {
		return s.conn
	}
	return nil
}

// prove notes that the peer lives, or that the connection has ended without.
func (c *koalaConn) prove(lives bool) {
	c.proving.Do(func() {
		c.proven.Store(lives)
		close(c.proof)
	})
}

// unproven lets a gateway alone for a while that has accepted a connection and
// dropped it.
func (l *koalaLife) unproven(c *koalaConn) {
	if c.proven.Load() || isInbound(c.id) || !l.members.gateway(c.id) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &koalaDial{done: make(chan struct{}), failures: c.failures + 1}
	d.retry, d.err = time.Now().Add(backoff(d.failures)), unavailable("gateway %s has dropped the connection", c.id)
	close(d.done)
	l.dials[c.id] = d
}

// inboundFrom is how many connections come from an address.
func (l *koalaLife) inboundFrom(ip netip.Addr) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.conns {
		if isInbound(id) && c.ip == ip {
			n++
		}
	}
	return n
}

// remoteIP is zero where the connection is not one of TCP.
func remoteIP(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
