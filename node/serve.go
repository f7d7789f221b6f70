package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// served holds the turns that run for other nodes, to cancel them.
type served struct {
	open  sync.WaitGroup // calls that have arrived and are not answered
	mu    sync.Mutex
	turns map[origin]*activation.Turn
}

// origin names a call of another node.
type origin struct {
	node placement.NodeID
	call uint64
}

func (s *served) init() { s.turns = make(map[origin]*activation.Turn) }

func (s *served) take(o origin) *activation.Turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[o]
	delete(s.turns, o)
	return t
}

// cancel ends the turns whose callers were on a node that is lost.
func (s *served) cancel(node placement.NodeID) {
	s.mu.Lock()
	var orphans []*activation.Turn
	for o, t := range s.turns {
		if o.node == node {
			orphans = append(orphans, t)
			delete(s.turns, o)
		}
	}
	s.mu.Unlock()
	for _, t := range orphans {
		t.Cancel()
	}
}

// wait returns when all calls that have arrived are answered, or ctx ends.
func (s *served) wait(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.open.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Receive takes what another node has sent.
func (n *Node) Receive(from placement.NodeID, m *transport.Message) {
	switch m.Kind {
	case transport.Request:
		n.counts.served.Add(1)
		n.served.open.Add(1)
		n.serve(incoming{from, m, time.Now().Add(m.Timeout)})
	case transport.Activate:
		n.served.open.Add(1)
		in := incoming{from, m, time.Now().Add(m.Timeout)}
		n.stray(&stray{in: in, end: in.end})
	case transport.Handoff:
		n.served.open.Add(1)
		n.answer(incoming{from, m, time.Time{}}, transport.Message{Error: n.carried.put(n, m)})
	case transport.Edge:
		n.receiveEdge(from, m)
	case transport.Order:
		n.receiveOrder(from, m)
	case transport.Ack:
		n.acknowledged(from, m.Call)
	case transport.Gossip:
		n.replicas.Receive(from, m.Body)
	case transport.Reply:
		if o := n.remote.take(from, m.Call); o != nil {
			o.answer <- m
		}
	case transport.Cancel:
		if t := n.served.take(origin{from, m.Call}); t != nil {
			t.Cancel()
		}
	}
}

// incoming is a call of another node.
type incoming struct {
	from placement.NodeID
	*transport.Message
	end time.Time // when its caller stops waiting
}

// serve puts a call of another node into the mailbox of its actor.
func (n *Node) serve(in incoming) {
	q, err := n.request(in)
	if err == nil && n.strays.before(in.Actor) == nil {
		err = n.deliver(in, q)
	} else if err == nil {
		err = activation.ErrGone
	}
	if err == activation.ErrGone {
		n.stray(&stray{in: in, q: q, end: in.end})
		return
	}
	if err != nil {
		n.answer(in, transport.Message{Error: refusal(err)})
	}
}

// refusal is the error of a call that did not get as far as its method.
func refusal(err error) *mallee.Error {
	var e *mallee.Error
	if errors.As(err, &e) {
		return e
	}
	return mallee.AsError(err).BeforeRun()
}

func (n *Node) request(in incoming) (*activation.Request, error) {
	table := n.runtime.Table(in.Actor.Type)
	if table == nil {
		return nil, n.noHost(in.Actor)
	}
	method, err := table.Type().Method(in.Interface, in.Method)
	if err != nil {
		return nil, err
	}
	call := method.New()
	if err := decodeArgs(in.Encoding, call, in.Body); err != nil {
		return nil, mallee.ErrInvalid.Errorf("decode arguments of %s.%s: %v", in.Actor, in.Method, err).BeforeRun()
	}
	return &activation.Request{ID: in.Actor, Call: call, Parent: activation.ParentOf(in.Chain), End: in.end, Trace: n.tracing.from(in.Message)}, nil
}

func (n *Node) noHost(id mallee.ID) *mallee.Error {
	return mallee.ErrUnavailable.Errorf("node %s does not host actor type %s", n.config.Name, id.Type).BeforeRun()
}

// deliver must not hold served.mu while the turn may answer, so it registers
// the turn first under the name of its call.
func (n *Node) deliver(in incoming, q *activation.Request) error {
	table := n.runtime.Table(q.ID.Type)
	if in.Message == nil || in.Call == 0 {
		_, err := table.Deliver(q, nil)
		if err == nil {
			n.served.open.Done()
		}
		return err
	}
	if in.Encoding == transport.Pickle && q.Call.Flags()&mallee.OneWay != 0 {
		return n.post(in, q)
	}
	who := origin{in.from, in.Call}
	answered := false // guarded by served.mu: the answer may come before Deliver returns
	t, err := table.Deliver(answering(in.Encoding, q), func(results []byte, err *mallee.Error) {
		n.served.mu.Lock()
		answered = true
		delete(n.served.turns, who)
		n.served.mu.Unlock()
		if err == activation.ErrGone {
			n.serve(in)
			return
		}
		n.answer(in, transport.Message{Body: results, Error: err, Encoding: in.Encoding})
	})
	if err != nil {
		return err
	}
	n.served.mu.Lock()
	defer n.served.mu.Unlock()
	if !answered {
		n.served.turns[who] = t
	}
	return nil
}

// answer ends a call that has arrived. It may not be looked at any more then: the answer takes its memory.
func (n *Node) answer(in incoming, m transport.Message) {
	defer n.served.open.Done()
	if in.Call == 0 {
		if m.Error != nil {
			n.config.Log.Error("one-way call refused", "call", in.Actor.String()+"."+in.Method, "from", in.from, "error", m.Error)
		}
		return
	}
	if !n.owns() {
		n.config.Log.Warn("answer held back: the lease has ended", "to", in.from)
		return
	}
	m.Kind, m.Call = transport.Reply, in.Call
	*in.Message = m
	if err := n.send(in.from, in.Message); err != nil {
		n.config.Log.Debug("answer not sent: its caller's node is lost", "to", in.from, "error", err)
	}
}
