package transport

import (
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Memory is a Network inside one process whose links can be cut.
type Memory struct {
	mu    sync.RWMutex
	nodes map[placement.NodeID]Handler
	cut   map[link]bool
}

type link struct{ from, to placement.NodeID }

// NewMemory makes a network without nodes.
func NewMemory() *Memory {
	return &Memory{nodes: make(map[placement.NodeID]Handler), cut: make(map[link]bool)}
}

// Attach makes a node reachable.
func (n *Memory) Attach(node placement.NodeID, h Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[node] = h
}

// Detach takes a node off the network, as its end would: the others lose it.
func (n *Memory) Detach(node placement.NodeID) {
	n.mu.Lock()
	delete(n.nodes, node)
	others := make([]Handler, 0, len(n.nodes))
	for _, h := range n.nodes {
		others = append(others, h)
	}
	n.mu.Unlock()
	for _, h := range others {
		h.Lost(node)
	}
}

// Send delivers at once, on the sender's goroutine.
func (n *Memory) Send(from, to placement.NodeID, m *Message) error {
	n.mu.RLock()
	h, reachable := n.nodes[to]
	reachable = reachable && !n.cut[link{from, to}]
	if _, alive := n.nodes[from]; !alive {
		reachable = false
	}
	n.mu.RUnlock()
	if !reachable {
		return mallee.ErrUnavailable.Errorf("node %s is not reachable", to).BeforeRun()
	}
	h.Receive(from, m)
	return nil
}

// Cut ends the link between two nodes, in both directions, and tells both.
func (n *Memory) Cut(a, b placement.NodeID) {
	n.mu.Lock()
	n.cut[link{a, b}], n.cut[link{b, a}] = true, true
	ha, hb := n.nodes[a], n.nodes[b]
	n.mu.Unlock()
	if ha != nil {
		ha.Lost(b)
	}
	if hb != nil {
		hb.Lost(a)
	}
}

// Heal mends all links.
func (n *Memory) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}
