package transport

import (
	"bytes"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Memory is a Network inside one process whose links can be cut.
type Memory struct {
	mu    sync.RWMutex
	nodes map[placement.NodeID]*end
	cut   map[link]bool
}

// end is a node on the network.
type end struct {
	Handler
	closed    bool
	receiving sync.WaitGroup // requests that are being handed over
}

type link struct{ from, to placement.NodeID }

// NewMemory makes a network without nodes.
func NewMemory() *Memory {
	return &Memory{nodes: make(map[placement.NodeID]*end), cut: make(map[link]bool)}
}

// Attach makes a node reachable.
func (n *Memory) Attach(node placement.NodeID, h Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[node] = &end{Handler: h}
}

// Close keeps new requests from a node.
func (n *Memory) Close(node placement.NodeID) {
	n.mu.Lock()
	e := n.nodes[node]
	if e != nil {
		e.closed = true
	}
	n.mu.Unlock()
	if e != nil {
		e.receiving.Wait()
	}
}

// Detach takes a node off the network, as its end would: the others lose it.
func (n *Memory) Detach(node placement.NodeID) {
	n.mu.Lock()
	if n.nodes[node] == nil {
		n.mu.Unlock()
		return
	}
	delete(n.nodes, node)
	others := make([]*end, 0, len(n.nodes))
	for _, e := range n.nodes {
		others = append(others, e)
	}
	n.mu.Unlock()
	for _, e := range others {
		e.Lost(node)
	}
}

// Send delivers at once, on the sender's goroutine.
func (n *Memory) Send(from, to placement.NodeID, m *Message) error {
	n.mu.RLock()
	e := n.nodes[to]
	reachable := e != nil && n.nodes[from] != nil && !n.cut[link{from, to}] && (!e.closed || !m.Kind.asks())
	if reachable && m.Kind.asks() {
		e.receiving.Add(1)
		defer e.receiving.Done()
	}
	n.mu.RUnlock()
	if !reachable {
		return mallee.ErrUnavailable.Errorf("node %s is not reachable", to).BeforeRun()
	}
	own := *m
	own.Body = bytes.Clone(m.Body)
	e.Receive(from, &own)
	return nil
}

// Cut ends the link between two nodes, in both directions, and tells both.
func (n *Memory) Cut(a, b placement.NodeID) {
	n.mu.Lock()
	n.cut[link{a, b}], n.cut[link{b, a}] = true, true
	ea, eb := n.nodes[a], n.nodes[b]
	n.mu.Unlock()
	if ea != nil {
		ea.Lost(b)
	}
	if eb != nil {
		eb.Lost(a)
	}
}

// Heal mends all links.
func (n *Memory) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}
