package sessions

import (
	"slices"
	"sync"

	"github.com/mallee-io/mallee/placement"
)

// Places are where sessions are that have moved, for all actors of a node. The
// zero Places knows of none. It is safe for concurrent use.
type Places struct {
	mu    sync.RWMutex
	moved *Relocations
	sends sync.Map // of *sync.RWMutex by placement.NodeID: held for reading while something is sent there
}

// mostMoved is how many sessions a node knows to have moved: some megabytes.
const mostMoved = 1 << 16

func (p *Places) sending(to placement.NodeID) *sync.RWMutex {
	if m, ok := p.sends.Load(to); ok {
		return m.(*sync.RWMutex)
	}
	m, _ := p.sends.LoadOrStore(to, new(sync.RWMutex))
	return m.(*sync.RWMutex)
}

// Send calls send with those of the sessions that are still at the gateway, and
// returns where the others are now.
func (p *Places) Send(to placement.NodeID, at []uint64, send func(at []uint64) error) (moved []uint64, err error) {
	m := p.sending(to)
	m.RLock()
	defer m.RUnlock()
	here, moved := p.split(at)
	if len(here) == 0 {
		return moved, nil
	}
	return moved, send(here)
}

// split looks the sessions up.
func (p *Places) split(at []uint64) (here, moved []uint64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.moved == nil || !slices.ContainsFunc(at, func(a uint64) bool { return p.moved.Now(a) != a }) {
		return at, nil
	}
	for _, a := range at {
		if now := p.moved.Now(a); now != a {
			moved = append(moved, now)
		} else {
			here = append(here, a)
		}
	}
	slices.Sort(moved)
	return here, slices.Compact(moved)
}

// Flush learns where sessions are that were at a gateway, and calls send when
// nothing is sent to their old places any more.
func (p *Places) Flush(at placement.NodeID, moved []Relocation, send func() error) error {
	p.mu.Lock()
	if p.moved == nil {
		p.moved = NewRelocations(mostMoved)
	}
	for _, m := range moved {
		p.moved.Learn(m.From, m.To)
	}
	p.mu.Unlock()
	m := p.sending(at)
	m.Lock() // what has looked them up before has been sent
	defer m.Unlock()
	return send()
}

// Forget says that a node is gone, with its gateway.
func (p *Places) Forget(node placement.NodeID) { p.sends.Delete(node) }
