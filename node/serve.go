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
		n.served.open.Add(1)
		n.serve(incoming{from, m, time.Now().Add(m.Timeout)})
	case transport.Reply:
		if o := n.remote.take(from, m.Call); o != nil {
			o.done <- m
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
	if err == nil {
		err = n.deliver(in, q)
	}
	if err == activation.ErrGone {
		go n.activate(in, q) // asks the placement driver, so not on the network's goroutine
		return
	}
	if err != nil {
		n.answer(in, &transport.Message{Error: refusal(err)})
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
		return nil, mallee.ErrUnavailable.Errorf("node %s does not host actor type %s", n.config.Name, in.Actor.Type).BeforeRun()
	}
	method, err := table.Type().Method(in.Interface, in.Method)
	if err != nil {
		return nil, err
	}
	call := method.New()
	if err := call.DecodeArgs(in.Body); err != nil {
		return nil, mallee.ErrInvalid.Errorf("decode arguments of %s.%s: %v", in.Actor, in.Method, err).BeforeRun()
	}
	return &activation.Request{ID: in.Actor, Call: call, Parent: activation.ParentOf(in.Chain), End: in.end, Trace: n.tracing.from(in.Message)}, nil
}

// deliver must not hold served.mu while the turn may answer, so it registers
// the turn first under the name of its call.
func (n *Node) deliver(in incoming, q *activation.Request) error {
	table := n.runtime.Table(in.Actor.Type)
	if in.Call == 0 {
		_, err := table.Deliver(q, nil)
		if err == nil {
			n.served.open.Done()
		}
		return err
	}
	who := origin{in.from, in.Call}
	answered := false // guarded by served.mu: the answer may come before Deliver returns
	t, err := table.Deliver(q, func(results []byte, err *mallee.Error) {
		n.served.mu.Lock()
		answered = true
		delete(n.served.turns, who)
		n.served.mu.Unlock()
		if err == activation.ErrGone {
			n.serve(in)
			return
		}
		n.answer(in, &transport.Message{Body: results, Error: err})
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

// activate is the second check: an actor is activated here only when the
// placement driver says that this node has its grant.
func (n *Node) activate(in incoming, q *activation.Request) {
	if n.stopping.Load() && len(in.Chain) == 0 {
		n.answer(in, &transport.Message{Error: mallee.ErrUnavailable.Errorf("node %s is stopping", n.config.Name).BeforeRun()})
		return
	}
	grant, err := n.config.Placement.Locate(n.ended, n.ID(), in.Actor)
	switch {
	case err != nil:
	case grant.Node != n.ID() && grant.Epoch != 0 && in.Call != 0:
		n.answer(in, &transport.Message{Owner: grant})
		return
	case grant.Node != n.ID() && grant.Epoch != 0: // nobody waits who could be told
		if err = n.config.Network.Send(n.ID(), grant.Node, in.Message); err == nil {
			n.served.open.Done()
			return
		}
	default:
		q.Epoch = grant.Epoch
		err = n.deliver(in, q)
	}
	if err != nil {
		n.answer(in, &transport.Message{Error: refusal(err)})
	}
}

// answer ends a call that has arrived.
func (n *Node) answer(in incoming, m *transport.Message) {
	defer n.served.open.Done()
	if in.Call == 0 {
		if m.Error != nil {
			n.config.Log.Error("one-way call refused", "from", in.from, "error", m.Error)
		}
		return
	}
	m.Kind, m.Call = transport.Reply, in.Call
	if err := n.config.Network.Send(n.ID(), in.from, m); err != nil {
		n.config.Log.Debug("answer not sent: its caller's node is lost", "to", in.from, "error", err)
	}
}
