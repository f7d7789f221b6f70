package gateway

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// memory is what the streams of all sessions have in them.
type memory struct {
	used  atomic.Int64
	bound int64
	full  chan struct{} // gets something when used has passed the bound
}

func (m *memory) add(n int64) {
	if used := m.used.Add(n); n > 0 && used > m.bound {
		select {
		case m.full <- struct{}{}:
		default:
		}
	}
}

// low is what is used of the bound after sessions had to go, and at least while
// nobody new is let in.
func (m *memory) low() int64 { return m.bound / 10 * 9 }

func (m *memory) tight() bool { return m.used.Load() >= m.low() }

// shed ends sessions, those with the most memory first, until there is room
// again.
func (g *Gateway) shed() {
	if g.memory.used.Load() <= g.memory.bound {
		return
	}
	type load struct {
		session *session
		bytes   int64
	}
	list := make([]load, 0, g.sessions.count())
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		list = append(list, load{s, s.counted})
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b load) int { return cmp.Compare(b.bytes, a.bytes) })
	before := g.memory.used.Load()
	ended := 0
	for _, l := range list {
		if g.memory.used.Load() <= g.memory.low() || l.bytes == 0 {
			break
		}
		ended++
		l.session.mu.Lock()
		l.session.end(mallee.DisconnectLost, edge.CodeOverloaded, "the gateway is short of memory")
		l.session.mu.Unlock()
	}
	g.counts.shed.Add(int64(ended))
	g.log.Warn("sessions with much memory were ended, since the gateway has reached its bound", "sessions", ended, "bytes", before, "bound", g.memory.bound)
}
