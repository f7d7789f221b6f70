package replicated

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// instance is one stream of an entity and the machine that decides what is said
// on it. One goroutine sends and one receives, so that neither side can make the
// other wait for itself.
type instance struct {
	key
	server  *Server
	replica crdt.Replica
	figures *Figures
	spoken  spec.Dialect
	slot    *entity.Slot  // of the stream
	before  *instance     // its stream is to end first; nil: none
	wake    chan struct{} // gets a value when there is something to send
	gone    chan struct{} // closed when the stream has ended

	mu      sync.Mutex
	machine *machine // nil until the stream has begun
	over    bool     // takes no more commands
	retired bool     // ends as soon as nobody needs it
	stopped bool     // ends at once
	waiting []*Call  // for the stream
	calls   map[int64]*Call
	outbox  []proto.Message
	used    time.Time // when it was needed last
}

func newInstance(s *Server, at key, r crdt.Replica, before *instance) *instance {
	return &instance{
		key: at, server: s, replica: r, figures: s.figures[at.service], before: before,
		wake: make(chan struct{}, 1), gone: make(chan struct{}), calls: make(map[int64]*Call),
	}
}

// offer gives the instance a call, and reports false when it does not take any
// more.
func (i *instance) offer(c *Call) (taken bool, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.over:
		return false, nil
	case len(i.calls)+len(i.waiting) >= i.server.MaxCommands:
		return false, mallee.ErrOverloaded.Errorf("%d commands to entity %q of %s are not done, more than may be", i.server.MaxCommands, i.id, i.service.Name).BeforeRun()
	}
	c.instance = i
	if i.machine == nil {
		i.waiting = append(i.waiting, c)
		return true, nil
	}
	i.step(func(now time.Time) error { i.give(c, now); return nil })
	return true, nil
}

// give gives a command to the user function.
func (i *instance) give(c *Call, now time.Time) {
	c.id = i.machine.command(c.command, now)
	c.command = nil
	i.slot.Use()
	i.calls[c.id] = c
}

// run is the life of the instance.
func (i *instance) run() {
	defer i.server.ended(i)
	defer close(i.gone)
	if i.before != nil {
		<-i.before.gone
		i.before = nil
	}
	changes, stop := i.replica.Watch()
	defer stop()
	defer func() { i.slot.Free() }()
	s, err := i.start()
	if err != nil {
		i.refuse(err)
		return
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		i.receive(s)
	}()
	i.send(s, changes)
	s.end(i.server.CloseTimeout)
	<-received
	s.close()
}

// start brings the replica up to date, opens a stream, and gives it what waits.
func (i *instance) start() (*stream, error) {
	if err := i.takeSlot(); err != nil {
		return nil, err
	}
	if err := i.refresh(); err != nil {
		return nil, err
	}
	i.spoken = i.server.dialect()
	m := &machine{
		dialect: dialectOf(i.spoken), service: i.service.Name, id: i.id, mirror: mirror{replica: i.replica},
		cancelTimeout: i.server.CancelTimeout, replyTimeout: i.server.RelayTimeout, holdAfter: i.server.HoldAfter, figures: i.figures,
	}
	if err := m.begin(); err != nil {
		return nil, err
	}
	s, err := i.server.openStream()
	if err != nil {
		return nil, err
	}
	i.figures.Activated.Add(1)
	i.figures.Streams.Add(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.machine, i.used = m, time.Now()
	i.step(func(now time.Time) error {
		for _, c := range i.waiting {
			i.give(c, now)
		}
		i.waiting = nil
		return nil
	})
	return s, nil
}

// takeSlot waits until there may be one more stream.
func (i *instance) takeSlot() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), i.server.RelayTimeout)
	defer cancel()
	i.slot, err = i.server.Streams.Take(ctx, func(*entity.Slot) {
		i.server.aside(func() { i.retire(false) })
	})
	if err != nil {
		return mallee.ErrUnavailable.Errorf("there was no stream to the user function within %v", i.server.RelayTimeout).BeforeRun()
	}
	return nil
}

// refresh reads from a majority or, if that takes too long, from here. The value
// of a node that has not got all of it yet is none.
func (i *instance) refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), i.server.ReadTimeout)
	defer cancel()
	err := i.replica.Refresh(ctx)
	if err != nil {
		i.server.Log.Warn("an entity begins with what this node has of it", "service", i.service.Name, "entity", i.id, "cause", err)
		wait, cancel := context.WithTimeout(context.Background(), i.server.WriteTimeout)
		defer cancel()
		err = i.replica.Wait(wait, crdt.Local)
	}
	if i.replica.Deleted() {
		return crdt.ErrDeleted
	}
	return err
}

// refuse ends an instance that has no stream.
func (i *instance) refuse(err error) {
	if errors.Is(err, crdt.ErrDeleted) {
		err = command.Failed(isDeleted)
	} else {
		i.figures.Failed.Add(1)
		i.server.Log.Warn("an entity cannot begin", "service", i.service.Name, "entity", i.id, "cause", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	for _, c := range i.waiting {
		i.figures.FailedCommands.Add(1)
		c.put(ending(err))
	}
	i.waiting = nil
}

// send sends what there is until the stream is to end.
func (i *instance) send(s *stream, changes <-chan struct{}) {
	timer := time.NewTimer(i.beat())
	defer timer.Stop()
	for {
		messages, over := i.next()
		for _, m := range messages {
			if err := s.send(m); err != nil {
				s.cancel(err)
				break
			}
		}
		if over {
			return
		}
		timer.Reset(i.beat())
		select {
		case <-i.wake:
		case <-changes:
			i.do(nothing)
		case <-timer.C:
			i.do(i.tick)
		}
	}
}

func (i *instance) next() (messages []proto.Message, over bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	messages, i.outbox = i.outbox, nil
	return messages, i.over
}

// receive takes what the user function says until it ends the stream.
func (i *instance) receive(s *stream) {
	for {
		m := i.machine.dialect.message()
		err := s.receive(m)
		i.do(func(now time.Time) error {
			if err != nil {
				return i.lost(err)
			}
			said, err := i.machine.dialect.read(m)
			if err != nil {
				return err
			}
			return i.machine.received(said, now)
		})
		if err != nil {
			return
		}
	}
}

// lost is why the instance cannot go on after the end of its stream, unless it
// has ended that.
func (i *instance) lost(err error) error {
	switch {
	case i.over:
		return nil
	case errors.Is(err, io.EOF):
		return errors.New("the user function has ended the stream")
	case errors.Is(err, mallee.ErrTimeout):
		return err
	}
	return errors.New("the stream has failed: " + status.Convert(err).Message())
}

// beat is how long there is nothing to do unless something happens.
func (i *instance) beat() time.Duration {
	const often, seldom = time.Second, time.Hour
	i.mu.Lock()
	defer i.mu.Unlock()
	switch m := i.machine; {
	case m.operations > 0:
		return often
	case m.mirror.behind():
		return max(time.Until(m.mirror.quiet), 0)
	case m.idle():
		return max(time.Until(i.used.Add(i.idleTimeout())), 0)
	default: // open streams
		return seldom
	}
}

func (i *instance) idleTimeout() time.Duration {
	return cmp.Or(i.service.IdleTimeout, i.server.IdleTimeout)
}

// tick ends what has taken too long, and the instance when it was idle for so
// long.
func (i *instance) tick(now time.Time) error {
	if err := i.machine.tick(now); err != nil {
		return err
	}
	if i.machine.idle() && now.Sub(i.used) >= i.idleTimeout() {
		i.machine.end(nil, nil)
	}
	return nil
}

// do is a step of the machine.
func (i *instance) do(f func(now time.Time) error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.step(f)
}

// step is called with the lock held, and does what the machine leaves to do.
func (i *instance) step(f func(now time.Time) error) {
	m, now := i.machine, time.Now()
	if !m.idle() {
		i.used = now
	}
	err := f(now)
	if err == nil {
		err = m.settle(now)
	}
	if err != nil && !m.over {
		i.crash(err)
	}
	if i.stopped || i.retired && m.idle() {
		m.end(command.Failed(terminating), nil)
	}
	i.carryOut(m.take())
	if m.over && !i.over {
		i.over = true
		if err == nil {
			i.figures.Passivated.Add(1)
		}
	}
	if len(i.outbox) > 0 || m.operations == 0 || i.over { // something to send, or another beat
		select {
		case i.wake <- struct{}{}:
		default:
		}
	}
}

// nothing is a step only to find out what others have changed.
func nothing(time.Time) error { return nil }

// crash ends the instance, whose user function may think otherwise of the value
// than the replica. The next command begins with what that has.
func (i *instance) crash(err error) {
	i.figures.Failed.Add(1)
	i.server.Log.Warn("a replicated entity has to recover", "service", i.service.Name, "entity", i.id, "cause", err)
	i.server.Report(fmt.Sprintf("%s %q ends: %v.", i.service.Name, i.id, err))
	failed := command.Failed(terminating)
	i.machine.end(failed, failed)
	if errors.Is(err, errOtherDialect) {
		i.server.aside(func() { i.server.mistaken(i.spoken) })
	}
}

// carryOut does what a step has left to do.
func (i *instance) carryOut(t todo) {
	i.outbox = append(i.outbox, t.messages...)
	for _, a := range t.answers {
		i.deliver(a)
	}
	for _, w := range t.writes {
		i.server.aside(func() { i.await(w) })
	}
	for _, text := range t.reports {
		i.server.Report(text)
	}
	if !i.machine.todo.empty() {
		i.carryOut(i.machine.take())
	}
}

func (i *instance) deliver(a addressed) {
	c := i.calls[a.to]
	if c == nil { // a late response to a cancel
		return
	}
	if a.last {
		delete(i.calls, a.to)
		if a.err != nil || a.Action.GetFailure() != nil {
			i.figures.FailedCommands.Add(1)
		}
	}
	if !c.put(a.Answer) {
		i.machine.leave(a.to, time.Now())
	}
}

// await waits until a change has reached as many nodes as it has to.
func (i *instance) await(w *write) {
	ctx, cancel := context.WithTimeout(context.Background(), i.server.WriteTimeout)
	defer cancel()
	err := i.replica.Wait(ctx, w.consistency)
	i.do(func(time.Time) error { return i.machine.written(w, err) })
}

// leave is the end of a caller's interest in a call. One that still waits for the
// stream does not run.
func (i *instance) leave(c *Call) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if n := slices.Index(i.waiting, c); n >= 0 {
		i.waiting = slices.Delete(i.waiting, n, n+1)
		c.put(ending(nil))
		return
	}
	if i.machine != nil {
		i.step(func(now time.Time) error { i.machine.leave(c.id, now); return nil })
	}
}

// complete ends the streams of callers.
func (i *instance) complete() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.waiting {
		if c.streams {
			c.complete()
		}
	}
	for _, c := range i.calls {
		if c.streams {
			c.complete()
		}
	}
}

// retire ends the instance as soon as nobody needs it, or now.
func (i *instance) retire(now bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.retired, i.stopped = true, now
	if i.machine != nil {
		i.step(nothing)
	}
}

// reset crashes the instance if its stream has begun in another dialect.
func (i *instance) reset(d spec.Dialect) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.machine != nil && i.spoken != d {
		i.step(func(time.Time) error { return errDialect })
	}
}

var errDialect = errors.New("the user function speaks the other dialect of the protocol")
