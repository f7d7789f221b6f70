package node

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// maxStrays bounds the strays of one actor.
const maxStrays = 1024

// strays are calls that have come for actors which are not active here, until
// it is known where those live. The calls of one actor stay in their order: what
// comes later waits behind them.
type strays struct {
	queues atomic.Int64 // nobody has to lock while there are none
	mu     sync.Mutex
	of     map[mallee.ID]*strayQueue
}

type strayQueue struct {
	calls []*stray
	gone  chan struct{} // closed when nothing has to wait any more
}

// stray is a message that asks for an actor, or a one-way call of this node.
type stray struct {
	in  incoming            // without a Message for a call of this node
	q   *activation.Request // nil for an Activate
	end time.Time           // when a one-way call is given up
}

// answered reports whether somebody waits who can be told the owner.
func (s *stray) answered() bool { return s.in.Message != nil && (s.in.Call != 0 || s.q == nil) }

func (s *strays) init() { s.of = make(map[mallee.ID]*strayQueue) }

// push appends to the strays of an actor unless limit are there. first says that
// somebody has to look after them from now on.
func (s *strays) push(id mallee.ID, limit int, calls ...*stray) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.of[id]
	if queue == nil {
		queue, first = &strayQueue{gone: make(chan struct{})}, true
		s.of[id] = queue
		s.queues.Add(1)
	} else if len(queue.calls) >= limit {
		return false, mallee.ErrOverloaded.Errorf("%d calls wait until it is known where %s lives", len(queue.calls), id).BeforeRun()
	}
	queue.calls = append(queue.calls, calls...)
	return first, nil
}

// unshift puts back what could not be delivered.
func (s *strays) unshift(id mallee.ID, calls []*stray) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[id].calls = append(calls, s.of[id].calls...)
}

// take returns the strays of an actor. When there are none, nobody looks after
// them any more.
func (s *strays) take(id mallee.ID) []*stray {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.of[id]
	calls := queue.calls
	queue.calls = nil
	if len(calls) == 0 {
		delete(s.of, id)
		s.queues.Add(-1)
		close(queue.gone)
	}
	return calls
}

// before returns what a call for the actor has to wait for; nil: nothing.
func (s *strays) before(id mallee.ID) <-chan struct{} {
	if s.queues.Load() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if queue := s.of[id]; queue != nil {
		return queue.gone
	}
	return nil
}

// waitFor returns when a call of this node can overtake no stray, or its time is
// over.
func (s *strays) waitFor(ctx context.Context, q *activation.Request) {
	earlier := s.before(q.ID)
	if earlier == nil {
		return
	}
	end := time.NewTimer(time.Until(q.End))
	defer end.Stop()
	select {
	case <-earlier:
	case <-end.C:
	case <-ctx.Done():
	}
}

// stray takes a message in whose actor is not active here.
func (n *Node) stray(s *stray) {
	first, err := n.strays.push(s.in.Actor, maxStrays, s)
	switch {
	case err != nil:
		n.answer(s.in, transport.Message{Error: refusal(err)})
	case first:
		go n.settle(s.in.Actor) // asks the placement driver, so not on the network's goroutine
	}
}

// redeliver takes one-way calls that have outlived their activation.
func (n *Node) redeliver(id mallee.ID, calls []mallee.Call) {
	end := time.Now().Add(n.config.CallTimeout)
	n.served.open.Add(len(calls)) // the node must not leave with them
	list := make([]*stray, len(calls))
	for i, c := range calls {
		list[i] = &stray{q: &activation.Request{ID: id, Call: c}, end: end}
	}
	if first, _ := n.strays.push(id, math.MaxInt, list...); first { // a mailbox has bounded them
		go n.settle(id)
	}
}

// settle looks after the strays of an actor until there are none.
func (n *Node) settle(id mallee.ID) {
	pause := backoff{end: time.Now().Add(time.Hour)} // each stray has an end of its own
	for calls := n.strays.take(id); len(calls) > 0; calls = n.strays.take(id) {
		rest, err := n.settleAt(id, calls)
		if len(rest) == 0 {
			continue
		}
		rest = n.expire(rest, err)
		if len(rest) == 0 {
			continue
		}
		n.strays.unshift(id, rest)
		if pause.next(n.ended, n.ended) {
			continue
		}
		for _, s := range n.strays.take(id) {
			n.lose(s, errEnded)
		}
	}
}

// settleAt is the second check: an actor is activated here only when the
// placement driver says that this node has its grant. It returns what has to be
// tried again, and why.
func (n *Node) settleAt(id mallee.ID, calls []*stray) (rest []*stray, err error) {
	ended := uint32(0)
	table := n.runtime.Table(id.Type)
	if table != nil {
		ended = table.Ended(id.Key)
	}
	ctx, cancel := context.WithTimeout(n.ended, n.config.CallTimeout)
	defer cancel()
	grant, err := n.lookUp(ctx, id)
	switch {
	case err != nil:
		return n.refuse(calls, err), err
	case !n.owns():
		err = mallee.ErrUnavailable.Errorf("node %s has lost its lease", n.config.Name).BeforeRun()
		return n.refuse(calls, err), err
	case grant.Node == n.ID() || grant.Epoch == 0:
		return n.deliverHere(id, table, grant.Epoch, ended, calls)
	}
	return n.sendOn(id, grant, calls)
}

// refuse answers those who can try themselves, and returns the others.
func (n *Node) refuse(calls []*stray, err error) (others []*stray) {
	for _, s := range calls {
		if s.answered() {
			n.answer(s.in, transport.Message{Error: refusal(err).BeforeRun()})
		} else {
			others = append(others, s)
		}
	}
	return others
}

// expire gives one-way calls up whose time is over.
func (n *Node) expire(calls []*stray, err error) (rest []*stray) {
	now := time.Now()
	for _, s := range calls {
		if passes(err) && now.Before(s.end) {
			rest = append(rest, s)
		} else {
			n.lose(s, err)
		}
	}
	return rest
}

func (n *Node) lose(s *stray, err error) {
	if s.in.Message == nil {
		n.runtime.Lost(s.q.ID, s.q.Call, err)
		n.served.open.Done()
		return
	}
	n.answer(s.in, transport.Message{Error: refusal(err)})
}

// deliverHere puts strays into the mailbox of the actor, which lives here.
func (n *Node) deliverHere(id mallee.ID, table *activation.Table, epoch uint64, ended uint32, calls []*stray) (rest []*stray, err error) {
	for i, s := range calls {
		switch {
		case table == nil:
			err = n.noHost(id)
		case n.closing.Load() && s.answered() && !s.in.Nested():
			err = n.errStopping()
		case s.q == nil:
			if table.Activate(s.in.Actor.Key, epoch, ended); s.in.Owner.Node != 0 {
				n.counts.movesIn.Add(1)
			}
			n.answer(s.in, transport.Message{})
			continue
		case s.answered() && !time.Now().Before(s.end):
			table.Activate(s.in.Actor.Key, epoch, ended) // its idle timeout gives the grant back
			err = mallee.ErrTimeout.Errorf("%s: the deadline passed until it was known that it lives on node %s", id, n.config.Name).BeforeRun()
		default:
			s.q.Epoch, s.q.Ended = epoch, ended
			err = n.deliver(s.in, s.q)
		}
		if err == activation.ErrGone { // it ends just now
			return calls[i:], err
		}
		if err != nil {
			n.lose(s, err)
		}
	}
	return nil, nil
}

// sendOn passes one-way calls on to the node that has the actor, and tells the
// other callers who it is, once they cannot overtake them any more.
func (n *Node) sendOn(id mallee.ID, g placement.Grant, calls []*stray) (rest []*stray, err error) {
	sent := false
	for i, s := range calls {
		if !s.answered() {
			if err := n.passOn(g, s); err != nil {
				return calls[i:], err
			}
			sent = true
			continue
		}
		if sent {
			n.settled(g, id)
			sent = false
		}
		n.redirect(s.in, g)
	}
	if sent {
		n.settled(g, id)
	}
	return nil, nil
}

// passOn sends a one-way call to another node.
func (n *Node) passOn(g placement.Grant, s *stray) error {
	m := s.in.Message
	if m == nil {
		m = new(transport.Message)
		if err := n.message(n.ended, m, g.Node, s.q, s.end); passes(err) {
			return err
		} else if err != nil {
			n.lose(s, err)
			return nil
		}
	}
	if err := n.send(g.Node, m); err != nil {
		return err
	}
	n.served.open.Done()
	return nil
}

// settled returns when the other node has put what was sent into the mailbox of
// the actor, or has had the time for it.
func (n *Node) settled(g placement.Grant, id mallee.ID) {
	ctx, cancel := context.WithTimeout(n.ended, handoffTimeout)
	defer cancel()
	err := n.ask(ctx, g.Node, &transport.Message{Kind: transport.Activate, Actor: id, Timeout: handoffTimeout})
	if err != nil {
		n.config.Log.Warn("calls may overtake one-way calls that were passed on", "actor", id, "to", g.Node, "error", err)
	}
}
