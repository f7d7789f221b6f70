package limit

import (
	"net/netip"
	"sync"
)

// Connections counts connections, all of them and those of each address. IPv6
// addresses of one /64 are one, as a client has all of these. It is safe for
// concurrent use, and keeps nothing of addresses without connections.
type Connections struct {
	Most       int // 0: no limit
	PerAddress int // 0: no limit

	mu   sync.Mutex
	all  int
	from map[netip.Addr]int32
}

// Admission is the answer to a new connection.
type Admission uint8

// Answers.
const (
	Admitted Admission = iota
	Full               // there are as many connections as there may be
	Crowded            // there are from that address
)

// Open counts a connection if it may be. Then Close has to follow.
func (c *Connections) Open(address netip.Addr) Admission {
	address = network(address)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Most > 0 && c.all >= c.Most:
		return Full
	case c.PerAddress > 0 && int(c.from[address]) >= c.PerAddress:
		return Crowded
	}
	c.all++
	if c.PerAddress > 0 {
		if c.from == nil {
			c.from = map[netip.Addr]int32{}
		}
		c.from[address]++
	}
	return Admitted
}

// Close ends a connection that was opened from the address.
func (c *Connections) Close(address netip.Addr) {
	address = network(address)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.PerAddress <= 0 {
		return
	}
	if c.from[address]--; c.from[address] <= 0 {
		delete(c.from, address)
	}
}

// Count returns how many connections are open, and of how many addresses; those
// are counted where PerAddress is set.
func (c *Connections) Count() (connections, addresses int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all, len(c.from)
}

// network is what clients are told apart by. Zones are names of this machine's
// interfaces, and tell nothing.
func network(address netip.Addr) netip.Addr {
	address = address.Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil { // cannot be: any IPv6 address has 64 bits
		return address
	}
	return prefix.Addr()
}
