package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// orders are those between this node and the gateways of others. Package link
// says how they arrive once and in their order although connections break.
//
// Lock order: outbound.sending, inbound.mu, and then any other one of these, which
// are not held while something is sent.
type orders struct {
	count atomic.Uint64 // of all that have been given to other nodes

	mu  sync.RWMutex
	out map[placement.NodeID]*outbound
	in  map[placement.NodeID]*inbound

	acks    sync.Mutex
	unacked []*inbound
}

func (o *orders) init() {
	o.out, o.in = make(map[placement.NodeID]*outbound), make(map[placement.NodeID]*inbound)
}

func (o *orders) to(node placement.NodeID) *outbound {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.out[node]
}

func (o *orders) from(node placement.NodeID) *inbound {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.in[node]
}

// open is the link from this life of the node to another one.
func (o *orders) open(own, to placement.NodeID) *outbound {
	if l := o.to(to); l != nil && l.from == own {
		return l
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.out[to]
	if l == nil || l.from != own {
		l = newOutbound(own, to)
		o.out[to] = l
	}
	return l
}

// buried is how long it is remembered that a node is gone: by then nobody sends
// to it any more, and nothing of it is on its way.
const buried = time.Minute

// bury ends the links with a node that is no member any more.
func (o *orders) bury(own, id placement.NodeID) {
	o.open(own, id).close(mallee.ErrUnavailable.Errorf("node %s is no member of the cluster", id).BeforeRun())
	time.AfterFunc(buried, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.out, id)
		delete(o.in, id)
	})
}

// clear ends all links, since this life of the node has ended.
func (o *orders) clear() {
	o.mu.Lock()
	links := o.out
	o.init()
	o.mu.Unlock()
	for _, l := range links {
		l.close(mallee.ErrFenced.Errorf("node %s has lost its lease", l.from).BeforeRun())
	}
}

// giver is the node for the sessions of its actors.
type giver struct{ *Node }

var _ sessions.Node = giver{}

// Ordered counts the orders that the node has given to other nodes until now.
func (n giver) Ordered() uint64 { return n.edge.orders.count.Load() }

const (
	// flushTimeout bounds how long the end of an activation waits for gateways.
	flushTimeout = time.Second
	flushPause   = 10 * time.Millisecond
)

// Flush returns when the first orders that Ordered has counted have arrived. An
// actor that begins on another node must not overtake what it has sent from this
// one, and two nodes have no order between them. A gateway that does not say so in
// time cannot be reached.
func (n giver) Flush(first uint64) {
	var asked sync.WaitGroup
	for _, l := range n.edge.orders.under(first) {
		asked.Go(func() {
			if err := n.flush(l, first); err != nil {
				n.config.Log.Warn("what an actor has sent to sessions may be overtaken", "gateway", l.to, "error", err)
			}
		})
	}
	asked.Wait()
}

// under lists the links on which some of the first orders may be on their way.
func (o *orders) under(first uint64) (links []*outbound) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, l := range o.out {
		if l.has(first) {
			links = append(links, l)
		}
	}
	return links
}

// flush asks for an acknowledgement, which comes in front of the answer.
func (n *Node) flush(l *outbound, first uint64) error {
	ctx, cancel := context.WithTimeout(n.ended, flushTimeout)
	defer cancel()
	pause := time.NewTicker(flushPause)
	defer pause.Stop()
	for {
		_, err := n.AskGateway(ctx, l.to, sessions.AskFlush, nil)
		if !l.has(first) {
			return nil
		}
		select { // the link is about to be mended
		case <-pause.C:
		case <-ctx.Done():
			return err
		}
	}
}
