package entity

import (
	"context"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// serve answers a command. The caller's deadline does not end what happens
// between the entity and its user function.
func (e *entity) serve(ctx context.Context, c *command.Command) error {
	e.kind.Figures.Commands.Add(1)
	a, err := e.ask(c)
	var out []*outgoing
	if err == nil {
		out, err = e.record(ctx, c, a)
	}
	if err != nil {
		err = e.fail(ctx, err)
	} else {
		err = e.carryOut(ctx, c, a, out)
	}
	if err != nil {
		e.kind.Figures.FailedCommands.Add(1)
	}
	return err
}

// ask gives a command to the user function and waits for the answer.
func (e *entity) ask(c *command.Command) (*answer, error) {
	idle := e.stream != nil
	if err := e.open(); err != nil {
		return nil, err
	}
	err := e.stream.send(e.machine.command(c, e.kind.PassMetadata))
	if idle && errors.Is(err, io.EOF) { // it has ended while there was nothing to do
		e.hangUp()
		if err := e.open(); err != nil {
			return nil, err
		}
		err = e.stream.send(e.machine.command(c, e.kind.PassMetadata))
	}
	if err != nil {
		return nil, e.why(e.stream, err)
	}
	m := e.machine.message()
	if err := e.stream.receive(m); err != nil {
		return nil, e.broken(err)
	}
	return e.machine.answered(m)
}

// open makes sure that there is a stream whose user function has the state.
func (e *entity) open() error {
	if e.stream != nil {
		e.stream.slot.Use()
		return nil
	}
	if e.closing != nil {
		<-e.closing.ended // bounded by the CloseTimeout
		e.closing = nil
	}
	s, err := e.kind.openStream(e.leave)
	if err != nil {
		return err
	}
	e.kind.Figures.Streams.Add(1)
	e.stream = s
	s.slot.Use()
	return e.replay(s)
}

// replay begins a stream with what is stored. The rows are read as fast as the
// user function takes them.
func (e *entity) replay(s *stream) error {
	store, at := e.activation.Store(), e.key(e.kind.head)
	s.patience.Reset(s.limit)
	head, err := store.Get(s.ctx, at)
	if err = s.done(err); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return e.unreadable(err)
	}
	first, err := e.machine.begin(head)
	if err != nil {
		return e.unreadable(err)
	}
	if err := s.send(first); err != nil {
		return e.why(s, err)
	}
	if e.kind.head == rows.Value {
		return nil
	}
	if e.machine.sequence() > 0 {
		e.kind.Figures.LoadedSnapshots.Add(1)
	}
	s.patience.Reset(s.limit)
	for row, err := range store.List(s.ctx, rows.Events(at.Table, at.Key1, e.machine.sequence()+1)) {
		var event proto.Message
		if err = s.done(err); err == nil {
			event, err = e.machine.replay(row)
		}
		if err != nil {
			return e.unreadable(err)
		}
		if err := s.send(event); err != nil {
			return e.why(s, err)
		}
		e.kind.Figures.LoadedEvents.Add(1)
		s.patience.Reset(s.limit)
	}
	return s.done(nil)
}

// record writes what an answer wants to be kept, and gives what goes out.
func (e *entity) record(ctx context.Context, c *command.Command, a *answer) (out []*outgoing, err error) {
	if a.action.GetForward() != nil || len(a.effects) > 0 {
		if out, err = e.post(c, a); err != nil {
			return nil, err
		}
	}
	if len(a.rows)+len(out) == 0 {
		return nil, nil
	}
	if len(out) > 0 || a.events > 0 && e.follower != nil {
		if err := e.remind(); err != nil {
			return nil, err
		}
	}
	return out, e.writeAnswer(ctx, a, out)
}

// post makes outgoing of what an answer asks for.
func (e *entity) post(c *command.Command, a *answer) ([]*outgoing, error) {
	if e.courier == nil {
		e.courier = newCourier(e)
	}
	out := e.courier.ask(c, a)
	if n := e.courier.pending + len(out); n > e.kind.MaxOutgoing {
		return nil, mallee.ErrOverloaded.Errorf("%d forwards and effects of an entity are not done; at most %d may be", n, e.kind.MaxOutgoing)
	}
	e.kind.Figures.Outgoing.Add(int64(len(out)))
	return out, nil
}

func (e *entity) writeAnswer(ctx context.Context, a *answer, out []*outgoing) error {
	ops, n := a.rows, len(a.rows)
	if e.courier != nil {
		more, err := e.courier.ops(out, e.key(""))
		if err != nil {
			return err
		}
		ops = append(ops[:n:n], more...)
	}
	versions, err := e.write(ctx, ops)
	if err != nil {
		return err
	}
	e.kind.Figures.WrittenRows.Add(int64(n))
	for i := range a.rows {
		e.kind.Figures.WrittenBytes.Add(int64(len(a.rows[i].Value)))
	}
	first := e.machine.sequence() + 1
	e.machine.written(a, versions[:n])
	if e.courier != nil {
		e.courier.written(out, versions[n:])
	}
	if e.follower != nil && a.events > 0 {
		e.follower.Appended(first, e.machine.sequence())
	}
	return nil
}

// write is a write of the activation. The caller of the turn may be gone: it is
// written nevertheless.
func (e *entity) write(ctx context.Context, ops []storage.Op) ([]uint64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.kind.RelayTimeout)
	defer cancel()
	versions, err := e.activation.Write(ctx, ops...)
	if err != nil {
		return nil, writeError(err)
	}
	return versions, nil
}

func (e *entity) key(key2 string) storage.Key {
	return storage.Key{Table: e.kind.table, Key1: e.activation.ID().Key, Key2: key2}
}

// carryOut does what an answer asks for once it is recorded: its effects, then
// the rest.
func (e *entity) carryOut(ctx context.Context, c *command.Command, a *answer, out []*outgoing) (err error) {
	if a.restart {
		e.hangUp()
		e.activation.Schedule(0, 0, e.reopen)
	}
	if len(out) > 0 {
		if c.Reply, err = e.courier.inTurn(ctx, out); err != nil {
			return err
		}
	}
	switch action := a.action.GetAction().(type) {
	case *cloudstatepb.ClientAction_Reply:
		c.Reply = e.kind.Router.Reply(action.Reply, c.On)
	case *cloudstatepb.ClientAction_Failure:
		return command.Failed(action.Failure.GetDescription())
	}
	return nil
}

// reopen gives the user function its stream again before it is needed, as the
// protocol wants it after a restart.
func (e *entity) reopen(ctx context.Context) {
	if err := e.open(); err != nil {
		_ = e.fail(ctx, err) // the next command tries again
	}
}

// fail ends the stream, whose user function may think otherwise of the state
// than the store, and makes of the cause what the caller gets.
func (e *entity) fail(ctx context.Context, err error) error {
	e.hangUp()
	e.kind.Figures.Failed.Add(1)
	e.kind.Log.WarnContext(ctx, "an entity has to recover", "service", e.kind.service.Name, "entity", e.activation.ID().Key, "cause", err)
	var f *fault
	if errors.As(err, &f) {
		return command.Failed(f.text)
	}
	return err
}

// hangUp ends the stream, if there is one.
func (e *entity) hangUp() {
	if e.stream != nil {
		e.stream.end(e.kind.CloseTimeout)
		e.stream, e.closing = nil, e.stream
	}
}

// leave ends the stream in a slot as soon as it is not used.
func (e *entity) leave(from *Slot) {
	e.activation.Schedule(0, 0, func(context.Context) {
		if e.stream != nil && e.stream.slot == from {
			e.hangUp()
		}
	})
}

func (e *entity) unreadable(err error) error { return &fault{e.kind.texts.recovery, err} }

// broken is the fault of a stream whose user function does not answer any more.
func (e *entity) broken(err error) error {
	switch {
	case errors.Is(err, mallee.ErrTimeout):
		return err
	case errors.Is(err, io.EOF):
		err = errEnded
	}
	return &fault{e.kind.texts.termination, err}
}

// why is the fault of a stream that did not take a message: what the user
// function has said before it ended the stream.
func (e *entity) why(s *stream, err error) error {
	if !errors.Is(err, io.EOF) {
		return e.broken(err)
	}
	m := e.machine.message()
	if err := s.receive(m); err != nil {
		return e.broken(err)
	}
	if _, err := e.machine.answered(m); err != nil {
		return err
	}
	return e.broken(io.EOF)
}

// writeError makes of a store's error what callers get.
func writeError(err error) error {
	code := mallee.ErrStorage
	switch {
	case errors.Is(err, storage.ErrFenced):
		code = mallee.ErrFenced
	case errors.Is(err, storage.ErrConflict):
		code = mallee.ErrConflict
	case errors.Is(err, storage.ErrTooLarge), errors.Is(err, storage.ErrInvalid):
		code = mallee.ErrInvalid
	}
	return code.Errorf("write an entity: %v", err)
}
