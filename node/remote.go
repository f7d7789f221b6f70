package node

import (
	"context"
	"errors"
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
	tick time.Duration // how often it looks for overdue calls
	last atomic.Uint64
	done sync.Pool // of outgoing calls that have ended

	mu      sync.Mutex
	waiting map[placement.NodeID]map[uint64]*outgoing
	n       int // calls that wait
	awake   bool
}

// outgoing is a call on its way. It is used again for another one once it has
// ended.
type outgoing struct {
	transport.Message
	end    time.Time               // when it is overdue
	answer chan *transport.Message // gets its one answer; nil when it is overdue
}

// movedError answers a call that reached a node that does not own the actor.
type movedError struct{ owner placement.Grant }

func (e *movedError) Error() string { return fmt.Sprintf("moved to node %s", e.owner.Node) }

// movedTo is the owner that an error tells, or zero.
func movedTo(err error) placement.Grant {
	var moved *movedError
	if errors.As(err, &moved) {
		return moved.owner
	}
	return placement.Grant{}
}

func (r *remote) init(callTimeout time.Duration) {
	r.tick = activation.Tick(callTimeout)
	r.waiting = make(map[placement.NodeID]map[uint64]*outgoing)
}

// begin makes room for a call.
func (r *remote) begin(end time.Time) *outgoing {
	o, ok := r.done.Get().(*outgoing)
	if !ok {
		o = &outgoing{answer: make(chan *transport.Message, 1)}
	}
	o.end = end.Add(answerGrace)
	return o
}

// forget takes a call back of which nobody else knows any more.
func (r *remote) forget(o *outgoing) {
	o.Message = transport.Message{Body: keep(o.Body)}
	r.done.Put(o)
}

// keep is the memory of a body, for the next one.
func keep(body []byte) []byte {
	if cap(body) > maxKept {
		return nil
	}
	return body[:0]
}

// maxKept bounds it, in bytes.
const maxKept = 4 << 10

func (r *remote) add(node placement.NodeID, o *outgoing) {
	o.Call = r.last.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.waiting[node]
	if calls == nil {
		calls = make(map[uint64]*outgoing)
		r.waiting[node] = calls
	}
	calls[o.Call] = o
	r.n++
	if !r.awake {
		r.awake = true
		time.AfterFunc(r.tick, r.expire)
	}
}

// take gives a call to the one who answers it, or gives it up.
func (r *remote) take(node placement.NodeID, call uint64) *outgoing {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.waiting[node][call]
	if o != nil {
		r.remove(node, call)
	}
	return o
}

// remove needs mu.
func (r *remote) remove(node placement.NodeID, call uint64) {
	delete(r.waiting[node], call)
	r.n--
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
			o.answer <- &transport.Message{Error: mallee.ErrUnavailable.Errorf("node %s was lost while it had the call; it may have run", node)}
		}
		r.n -= len(calls)
		delete(r.waiting, node)
	}
}

// expire ends what is overdue. One timer for the node instead of one for each
// call; there is none while no call waits.
func (r *remote) expire() {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, calls := range r.waiting {
		for call, o := range calls {
			if o.end.Before(now) {
				r.remove(node, call)
				o.answer <- nil
			}
		}
	}
	if r.awake = r.n > 0; r.awake {
		time.AfterFunc(r.tick, r.expire)
	}
}

// callRemote sends the call to the node that has the grant and waits for the answer.
func (n *Node) callRemote(ctx context.Context, g placement.Grant, q *activation.Request) error {
	if n.config.Network == nil {
		return mallee.ErrUnavailable.Errorf("%s lives on node %s, and this node has no network", q.ID, g.Node)
	}
	o := n.remote.begin(q.End)
	if err := n.message(ctx, &o.Message, g.Node, q, q.End); err != nil {
		n.remote.forget(o)
		return err
	}
	n.counts.sent.Add(1)
	if q.Call.Flags()&mallee.OneWay != 0 {
		n.posted.put(q.ID, g.Node)
		err := n.send(g.Node, &o.Message)
		n.remote.forget(o)
		return err
	}
	answer, err := n.exchange(ctx, g.Node, o)
	if err != nil {
		return err
	}
	return resultOf(answer, q)
}

// message is a call as a node takes it.
func (n *Node) message(ctx context.Context, m *transport.Message, to placement.NodeID, q *activation.Request, end time.Time) (err error) {
	m.Kind, m.Actor, m.Interface, m.Timeout, m.Trace = transport.Request, q.ID, q.Call.Interface(), time.Until(end), traceOf(q)
	if m.Encoding, err = n.encodingFor(ctx, to, q.Call); err != nil {
		return err
	}
	m.Method = methodName(m.Encoding, q.Call)
	if m.Body, err = appendArgs(m.Body, m.Encoding, q.Call); err != nil {
		return mallee.ErrInvalid.Errorf("encode arguments of %s.%s: %v", q.ID, q.Call.Method(), err).BeforeRun()
	}
	if q.Call.Flags()&mallee.OneWay == 0 {
		m.Chain = q.Parent.Chain()
	}
	return nil
}

func (n *Node) send(to placement.NodeID, m *transport.Message) error {
	return n.config.Network.Send(n.ID(), to, m)
}

// ask sends what is no call and returns when it is answered.
func (n *Node) ask(ctx context.Context, to placement.NodeID, m *transport.Message) error {
	o := n.remote.begin(time.Now().Add(m.Timeout))
	body := o.Body // its memory is used again
	body = append(body, m.Body...)
	o.Message, o.Body = *m, body
	answer, err := n.exchange(ctx, to, o)
	if err != nil {
		return err
	}
	return refused(answer)
}

// exchange sends what will be answered, and returns the answer. The call has
// ended then.
func (n *Node) exchange(ctx context.Context, to placement.NodeID, o *outgoing) (*transport.Message, error) {
	n.remote.add(to, o)
	if err := n.send(to, &o.Message); err != nil {
		if n.remote.take(to, o.Call) != nil {
			n.remote.forget(o)
		}
		return nil, err
	}
	sentinel := mallee.ErrTimeout
	select {
	case answer := <-o.answer:
		if answer != nil {
			n.remote.forget(o)
			return answer, nil
		}
		n.cancel(to, o.Call)
	case <-ctx.Done():
		sentinel = mallee.AsError(ctx.Err())
		if n.remote.take(to, o.Call) != nil {
			n.cancel(to, o.Call)
		}
	}
	return nil, sentinel.Errorf("%s.%s: node %s has not answered in time; the call may have run", o.Actor, o.Method, to)
}

func (n *Node) cancel(to placement.NodeID, call uint64) {
	_ = n.send(to, &transport.Message{Kind: transport.Cancel, Call: call}) // a lost node has lost the call too
}

// refused is the error of an answer, or nil.
func refused(answer *transport.Message) error {
	switch {
	case answer.Error != nil:
		return answer.Error
	case answer.Owner.Node != 0:
		return &movedError{answer.Owner}
	}
	return nil
}

func resultOf(answer *transport.Message, q *activation.Request) error {
	if err := refused(answer); err != nil {
		return err
	}
	if err := decodeResults(answer.Encoding, q.Call, answer.Body); err != nil {
		return mallee.ErrInvalid.Errorf("decode results of %s.%s: %v", q.ID, q.Call.Method(), err)
	}
	return nil
}

// Lost is told by the network.
func (n *Node) Lost(node placement.NodeID) {
	n.unanswered(node)
	n.sendAgain(node)
	n.suspect(node)
}

// unanswered fails at once what waits for a node that is gone.
func (n *Node) unanswered(node placement.NodeID) {
	n.remote.fail(func(id placement.NodeID) bool { return id == node })
	n.served.cancel(node)
	n.posted.forget(node)
}
