package replicas

import (
	"container/list"
	"context"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// replica is a copy that can be waited for.
type replica struct {
	*gossip.Cell
	service *Service
}

var _ crdt.Replica = (*replica)(nil)

// Change implements crdt.Replica.
func (r *replica) Change(d *crdt.Delta) error { return refused(r.Cell.Change(d)) }

// Count implements crdt.Replica.
func (r *replica) Count(kind crdt.Kind, change int64) (int64, error) {
	value, err := r.Cell.Count(kind, change)
	return value, refused(err)
}

// Delete implements crdt.Replica.
func (r *replica) Delete() error { return refused(r.Cell.Delete()) }

// refused gives those errors of changes a code that are not the caller's fault.
func refused(err error) error {
	if err == gossip.ErrNotBegun || err == gossip.ErrEnded {
		return mallee.ErrUnavailable.Errorf("change a replicated value: %v", err).BeforeRun()
	}
	return err
}

// Wait implements crdt.Replica.
func (r *replica) Wait(ctx context.Context, c crdt.Consistency) error {
	ctx, cancel := r.service.bound(ctx)
	defer cancel()
	if err := r.service.settled(ctx); err != nil || c == crdt.Local {
		return err
	}
	return r.service.reach(ctx, c)
}

// Refresh implements crdt.Replica.
func (r *replica) Refresh(ctx context.Context) error {
	ctx, cancel := r.service.bound(ctx)
	defer cancel()
	if err := r.service.settled(ctx); err != nil {
		return err
	}
	return r.service.refresh(ctx)
}

// waits are those who wait, in the order in which they came. Service.mu guards them.
type waits struct {
	reach [crdt.All + 1]list.List // of *wait with a seq, which ascends
	heard list.List               // of *wait with a question
	have  list.List               // of *wait with a clock
}

// wait is one who waits for one of these.
type wait struct {
	seq      uint64      // batches of this replica up to it are as safe as asked for
	question uint64      // it is answered
	clock    *crdt.Clock // this replica has all of it
	done     chan error  // gets one value
}

// settle lets go those whose wait is over. It reports whether some wait for the store.
func (w *waits) settle(l *life, v *gossip.Values) (unstored bool) {
	store := l.machine.StoreHas()
	for c := range w.reach {
		for e := w.reach[c].Front(); e != nil; e = w.reach[c].Front() {
			seq := e.Value.(*wait).seq
			have, members := l.machine.Reached(seq)
			if seq > store.Seen(l.id) || !enough(crdt.Consistency(c), have, members) {
				break
			}
			w.reach[c].Remove(e).(*wait).done <- nil
		}
	}
	each(&w.heard, func(x *wait) bool { return l.machine.Heard(x.question) })
	if w.have.Len() > 0 {
		clock := v.Clock()
		each(&w.have, func(x *wait) bool { return clock.Includes(x.clock) })
	}
	return w.unstored(l)
}

// unstored reports whether somebody waits for what the store does not have.
func (w *waits) unstored(l *life) bool {
	store := l.machine.StoreHas()
	for c := range w.reach {
		if last := w.reach[c].Back(); last != nil && last.Value.(*wait).seq > store.Seen(l.id) {
			return true
		}
	}
	return false
}

func enough(c crdt.Consistency, have, members int) bool {
	if c == crdt.All {
		return have >= members
	}
	return 2*have > members
}

func each(l *list.List, over func(*wait) bool) {
	for e := l.Front(); e != nil; {
		next := e.Next()
		if x := e.Value.(*wait); over(x) {
			l.Remove(e)
			x.done <- nil
		}
		e = next
	}
}

// fail ends the waits for what this replica has changed, or has.
func (w *waits) fail(err error) {
	for c := range w.reach {
		endAll(&w.reach[c], err)
	}
	endAll(&w.heard, err)
	endAll(&w.have, err)
}

func endAll(l *list.List, err error) {
	for e := l.Front(); e != nil; e = l.Front() {
		l.Remove(e).(*wait).done <- err
	}
}

// count is how many wait.
func (w *waits) count() int {
	return w.reach[crdt.Majority].Len() + w.reach[crdt.All].Len() + w.heard.Len() + w.have.Len()
}

// bound ends what would wait for ever.
func (s *Service) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.config.CallTimeout)
}

// settled returns when the node has what the others had when it began.
func (s *Service) settled(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	default:
	}
	select {
	case <-ready:
		return nil
	case <-s.ctx.Done():
		return errEnded()
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life != nil:
		return gaveUp(ctx, "this node does not have all replicated values yet: it fetches them")
	case s.unready != nil:
		return gaveUp(ctx, "this node has no replicated values yet: %v", s.unready)
	}
	return gaveUp(ctx, "this node has no replicated values yet")
}

func errEnded() error { return mallee.ErrUnavailable.Errorf("the node has ended") }

// gaveUp is the error of a wait whose context has ended, which says why it took so long.
func gaveUp(ctx context.Context, why string, args ...any) error {
	e := mallee.AsError(ctx.Err())
	return e.Errorf(why, args...)
}

// reach waits until what has been changed until now is as safe as asked for.
func (s *Service) reach(ctx context.Context, c crdt.Consistency) error {
	if c > crdt.All {
		return mallee.ErrInvalid.Errorf("there is no consistency %d", c)
	}
	s.mu.Lock()
	l := s.life
	if l == nil {
		s.mu.Unlock()
		return mallee.ErrUnavailable.Errorf("the changes are lost: %v", errRemoved)
	}
	seq, open := s.values.Next()
	if !open {
		seq--
	}
	w := &wait{seq: seq, done: make(chan error, 1)}
	e := s.waits.reach[c].PushBack(w)
	s.mu.Unlock()
	hint(s.kick)
	if over, err := s.await(ctx, &s.waits.reach[c], e); over {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have, members := l.machine.Reached(seq)
	store := l.machine.StoreHas()
	switch {
	case seq <= store.Seen(l.id):
		return gaveUp(ctx, "%d of %d nodes have the changes, and the store has them", have, members)
	case s.unkept != nil:
		return gaveUp(ctx, "%d of %d nodes have the changes, and the store does not: %v", have, members, s.unkept)
	}
	return gaveUp(ctx, "%d of %d nodes have the changes, and the store does not", have, members)
}

// refresh waits until what a majority had is here.
func (s *Service) refresh(ctx context.Context) error {
	s.mu.Lock()
	if s.life == nil {
		s.mu.Unlock()
		return mallee.ErrUnavailable.Errorf("this node has no replicated values: %v", errRemoved)
	}
	w := &wait{question: s.life.machine.Ask(s.now()), done: make(chan error, 1)}
	e := s.waits.heard.PushBack(w)
	s.mu.Unlock()
	hint(s.kick)
	if over, err := s.await(ctx, &s.waits.heard, e); over {
		return err
	}
	return gaveUp(ctx, "a majority of the nodes has not said what it has, or that is not here yet")
}

// have waits until the replica of this node has what a clock says.
func (s *Service) have(ctx context.Context, l *life, need *crdt.Clock) error {
	s.mu.Lock()
	if s.life != l {
		s.mu.Unlock()
		return errRemoved
	}
	clock := s.values.Clock()
	if clock.Includes(need) {
		s.mu.Unlock()
		return nil
	}
	e := s.waits.have.PushBack(&wait{clock: need, done: make(chan error, 1)})
	s.mu.Unlock()
	if over, err := s.await(ctx, &s.waits.have, e); over {
		return err
	}
	return gaveUp(ctx, "the changes have not reached the node that keeps the replicated values")
}

// await returns when a wait is over; if it is not, ctx has ended.
func (s *Service) await(ctx context.Context, l *list.List, e *list.Element) (over bool, err error) {
	done := e.Value.(*wait).done
	select {
	case err := <-done:
		return true, err
	case <-s.ctx.Done():
		err = errEnded()
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-done: // meanwhile
		return true, err
	default:
		l.Remove(e)
		return err != nil, err
	}
}
