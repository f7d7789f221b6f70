package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/mallee-io/mallee/wire/edge"
)

// counts are what the gateway's figures are made of.
type counts struct {
	connections, refused                                      atomic.Int64
	opened                                                    atomic.Int64
	ended                                                     [6]atomic.Int64 // by mallee.DisconnectReason
	received, receivedBytes                                   atomic.Int64
	delivered, failed, unsure, held                           atomic.Int64
	pushed, strayed, dropped                                  atomic.Int64
	written, replayed, lost                                   atomic.Int64
	forwarded, given, announced, shed, badOrders, badUpgrades atomic.Int64
	resumes                                                   struct{ resumed, taken, restarted, refused atomic.Int64 }
	closes                                                    closes
}

// closes counts closed connections by their codes.
type closes struct {
	mu sync.Mutex
	by map[edge.Code]int64
}

func (c *closes) add(code edge.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[edge.Code]int64)
	}
	c.by[code]++
}
