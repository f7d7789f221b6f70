package node

import (
	"context"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/placement"
)

// Invoke runs a call on the actor, wherever it lives. The fast path is an
// activation on this node.
func (n *Node) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	if n.tracing != nil {
		return n.tracing.invoke(ctx, n, id, call)
	}
	return n.invoke(ctx, nil, id, call)
}

// invoke is Invoke; trace has what the actor's turn gets of the caller's trace.
func (n *Node) invoke(ctx, trace context.Context, id mallee.ID, call mallee.Call) error {
	parent := activation.From(ctx)
	switch {
	case parent == nil:
		if n.stopping.Load() {
			return n.errStopping()
		}
	case call.Flags()&mallee.OneWay != 0:
		parent.Act()
	default:
		// While the turn waits for the call, calls of its own chain may run.
		parent.Lend(id, call.Method())
		defer parent.Reclaim()
	}
	if ctx.Err() != nil {
		return mallee.AsError(ctx.Err()).BeforeRun()
	}
	return n.run(ctx, &activation.Request{ID: id, Call: call, Parent: parent, Trace: trace})
}

// run runs a call here, where its actor is active, or where it is.
func (n *Node) run(ctx context.Context, q *activation.Request) error {
	if table := n.runtime.Table(q.ID.Type); table != nil && !n.encodes() && n.strays.before(q.ID) == nil {
		n.queueUp(ctx, q.ID, n.ID())
		if err := table.Invoke(ctx, q); err != activation.ErrGone {
			return err
		}
	}
	return n.route(ctx, q)
}

func (n *Node) errStopping() error {
	return mallee.ErrUnavailable.Errorf("node %s is stopping", n.config.Name).BeforeRun()
}

// encodes reports whether even calls on this node go through the network, as
// tests want it to find what does not survive encoding.
func (n *Node) encodes() bool {
	l, ok := n.config.Network.(interface{ Loopback() bool })
	return ok && l.Loopback()
}

// route finds out where the actor lives and calls it there, until the call has
// begun to run or its time is over.
func (n *Node) route(ctx context.Context, q *activation.Request) error {
	if q.End.IsZero() {
		q.End = endOf(ctx, n.config.CallTimeout)
	}
	id, err := n.types.resolve(ctx, n, q)
	if err != nil {
		return err
	}
	q.ID = id
	if err := id.Validate(); err != nil {
		return mallee.AsError(err).BeforeRun()
	}
	wait := backoff{end: q.End}
	for {
		n.strays.waitFor(ctx, q)
		if table := n.runtime.Table(id.Type); table != nil {
			q.Ended = table.Ended(id.Key)
		}
		grant, err := n.locate(ctx, q)
		if err == nil {
			n.queueUp(ctx, id, grant.Node)
			err = n.callAt(ctx, grant, q)
		}
		if err == nil {
			return nil
		}
		if owner := movedTo(err); owner != (placement.Grant{}) {
			n.counts.repairs.Add(1)
			if owner.Node != n.ID() { // its own grants a node hears from the placement driver alone
				n.where.put(id, owner)
			}
		} else if !passes(err) {
			return err
		}
		n.where.drop(id, grant)
		if !wait.next(ctx, n.ended) {
			return giveUp(ctx, id, q.Call, err)
		}
	}
}

// callAt calls the actor on the node that has its grant.
func (n *Node) callAt(ctx context.Context, g placement.Grant, q *activation.Request) error {
	if g.Node == n.ID() && !n.encodes() {
		if !n.owns() {
			return mallee.ErrUnavailable.Errorf("node %s has lost its lease", n.config.Name).BeforeRun()
		}
		q.Epoch = g.Epoch
		table := n.runtime.Table(q.ID.Type)
		if table == nil {
			return n.noHost(q.ID)
		}
		if call, ok := q.Call.(*jsonCall); ok {
			return call.invokeHere(ctx, table, q)
		}
		return table.Invoke(ctx, q)
	}
	if n.tracing != nil {
		return n.tracing.callRemote(ctx, n, g, q)
	}
	return n.callRemote(ctx, g, q)
}

// passes reports whether an error is about the way to the actor, and the call
// has not run: then another try may find a way.
func passes(err error) bool {
	return errors.Is(err, mallee.ErrUnavailable) && mallee.SafeToRetry(err)
}

func giveUp(ctx context.Context, id mallee.ID, call mallee.Call, last error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return mallee.ErrCanceled.Errorf("%s.%s: the caller gave up while the call was being routed: %v", id, call.Method(), last).BeforeRun()
	}
	return mallee.ErrTimeout.Errorf("%s.%s: the deadline passed while the call was being routed: %v", id, call.Method(), last).BeforeRun()
}

// backoff paces the tries of one call until its end.
type backoff struct {
	end   time.Time
	pause time.Duration
}

const (
	firstPause = time.Millisecond
	lastPause  = 200 * time.Millisecond
)

func endOf(ctx context.Context, timeout time.Duration) time.Time {
	if end, ok := ctx.Deadline(); ok {
		return end
	}
	return time.Now().Add(timeout)
}

// next waits before the next try; the second try comes at once. It reports
// false when there is no time for one.
func (b *backoff) next(ctx, ended context.Context) bool {
	left := time.Until(b.end)
	if left <= 0 || ctx.Err() != nil {
		return false
	}
	if b.pause == 0 {
		b.pause = firstPause
		return true
	}
	timer := time.NewTimer(min(b.pause, left))
	defer timer.Stop()
	b.pause = min(2*b.pause, lastPause)
	select {
	case <-timer.C:
		return time.Now().Before(b.end)
	case <-ctx.Done():
		return false
	case <-ended.Done():
		return false
	}
}
