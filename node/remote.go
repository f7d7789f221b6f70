package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// answerGrace is how much longer than its deadline a caller waits for another
// node: that node says more of a timeout than this one can.
const answerGrace = 50 * time.Millisecond

// remote holds the calls that wait for answers of other nodes, by node, so
// that a lost node fails them at once.
type remote struct {
	last    atomic.Uint64
	mu      sync.Mutex
	waiting map[placement.NodeID]map[uint64]*outgoing
}

// outgoing is a call on its way. done gets its one answer.
type outgoing struct{ done chan *transport.Message }

// movedError answers a call that reached a node that does not own the actor.
type movedError struct{ owner placement.Grant }

func (e *movedError) Error() string { return fmt.Sprintf("moved to node %s", e.owner.Node) }

func (r *remote) init() { r.waiting = make(map[placement.NodeID]map[uint64]*outgoing) }

func (r *remote) add(node placement.NodeID, call uint64) *outgoing {
	o := &outgoing{done: make(chan *transport.Message, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting[node] == nil {
		r.waiting[node] = make(map[uint64]*outgoing)
	}
	r.waiting[node][call] = o
	return o
}

func (r *remote) take(node placement.NodeID, call uint64) *outgoing {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.waiting[node][call]
	delete(r.waiting[node], call)
	return o
}

// fail answers the calls that wait for nodes which will not answer any more.
func (r *remote) fail(lost func(placement.NodeID) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, calls := range r.waiting {
		if !lost(node) {
			continue
		}
		for _, o := range calls {
			o.done <- &transport.Message{Error: mallee.ErrUnavailable.Errorf("node %s was lost while it had the call; it may have run", node)}
		}
		delete(r.waiting, node)
	}
}

// callRemote sends the call to the node that has the grant and waits for the answer.
func (n *Node) callRemote(ctx context.Context, g placement.Grant, q *activation.Request) error {
	if n.config.Network == nil {
		return mallee.ErrUnavailable.Errorf("%s lives on node %s, and this node has no network", q.ID, g.Node)
	}
	m, err := n.message(ctx, g.Node, q, q.End)
	if err != nil {
		return err
	}
	n.counts.sent.Add(1)
	if q.Call.Flags()&mallee.OneWay != 0 {
		n.posted.put(q.ID, g.Node)
		return n.send(g.Node, m)
	}
	o, err := n.open(g.Node, m)
	if err != nil {
		return err
	}
	answer, err := n.awaitRemote(ctx, o, g.Node, m, q.End)
	if err != nil {
		return err
	}
	return resultOf(answer, q)
}

// message is a call as a node takes it.
func (n *Node) message(ctx context.Context, to placement.NodeID, q *activation.Request, end time.Time) (*transport.Message, error) {
	encoding, err := n.encodingFor(ctx, to, q.Call)
	if err != nil {
		return nil, err
	}
	args, err := appendArgs(encoding, q.Call)
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("encode arguments of %s.%s: %v", q.ID, q.Call.Method(), err).BeforeRun()
	}
	m := &transport.Message{
		Kind: transport.Request, Actor: q.ID, Interface: q.Call.Interface(), Method: methodName(encoding, q.Call),
		Timeout: time.Until(end), Body: args, Encoding: encoding, Trace: traceOf(q),
	}
	if q.Call.Flags()&mallee.OneWay == 0 {
		m.Chain = q.Parent.Chain()
	}
	return m, nil
}

func (n *Node) send(to placement.NodeID, m *transport.Message) error {
	return n.config.Network.Send(n.ID(), to, m)
}

// open sends what will be answered.
func (n *Node) open(to placement.NodeID, m *transport.Message) (*outgoing, error) {
	m.Call = n.remote.last.Add(1)
	o := n.remote.add(to, m.Call)
	if err := n.send(to, m); err != nil {
		n.remote.take(to, m.Call)
		return nil, err
	}
	return o, nil
}

// ask sends what is no call and returns when it is answered.
func (n *Node) ask(ctx context.Context, to placement.NodeID, m *transport.Message) error {
	o, err := n.open(to, m)
	if err != nil {
		return err
	}
	select {
	case answer := <-o.done:
		if answer.Error != nil {
			return answer.Error
		}
		if answer.Owner.Node != 0 {
			return &movedError{answer.Owner}
		}
		return nil
	case <-ctx.Done():
		n.remote.take(to, m.Call)
		return mallee.ErrTimeout.Errorf("node %s has not answered in time", to)
	}
}

func (n *Node) awaitRemote(ctx context.Context, o *outgoing, node placement.NodeID, m *transport.Message, end time.Time) (*transport.Message, error) {
	timer := time.NewTimer(time.Until(end) + answerGrace)
	defer timer.Stop()
	sentinel := mallee.ErrTimeout
	select {
	case answer := <-o.done:
		return answer, nil
	case <-ctx.Done():
		sentinel = mallee.AsError(ctx.Err())
	case <-timer.C:
	}
	if n.remote.take(node, m.Call) != nil {
		cancel := &transport.Message{Kind: transport.Cancel, Call: m.Call}
		_ = n.config.Network.Send(n.ID(), node, cancel) // a lost node has lost the call too
	}
	return nil, sentinel.Errorf("%s.%s: node %s has not answered in time; the call may have run", m.Actor, m.Method, node)
}

func resultOf(answer *transport.Message, q *activation.Request) error {
	switch {
	case answer.Error != nil:
		return answer.Error
	case answer.Owner.Node != 0:
		return &movedError{owner: answer.Owner}
	}
	if err := decodeResults(answer.Encoding, q.Call, answer.Body); err != nil {
		return mallee.ErrInvalid.Errorf("decode results of %s.%s: %v", q.ID, q.Call.Method(), err)
	}
	return nil
}

// Lost fails at once what waits for a node that is gone.
func (n *Node) Lost(node placement.NodeID) {
	n.remote.fail(func(id placement.NodeID) bool { return id == node })
	n.served.cancel(node)
	n.posted.forget(node)
}
