package activation

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/stack"
)

// loop is the goroutine of a busy activation. It begins with the turn that
// holds the baton and runs turns until none may begin.
func (a *Activation) loop() {
	if a.table.deep.Load() {
		stack.Room()
	}
	for more := true; more; {
		t := a.baton // nobody else sets it while this turn holds it
		more = a.conclude(t, a.execute(t))
	}
}

// conclude draws the consequences of a turn and reports whether the goroutine
// has another one to run.
func (a *Activation) conclude(t *Turn, err *mallee.Error) (more bool) {
	switch {
	case t.kind == kindStart && err != nil:
		a.leave(t, mallee.ErrActivation.Errorf("%s could not be activated: %v", t.id(), err).BeforeRun())
		return false
	case t.kind == kindStop:
		if err != nil {
			a.table.runtime.failedStops.Add(1)
			a.Log().Error("OnDeactivate failed", "reason", a.reason, "error", err)
		}
		a.leave(t, nil)
		return false
	}
	return a.finish(t, err)
}

// execute runs the code of a turn. A panic becomes its error and ends the
// activation: what it left in memory cannot be trusted.
func (a *Activation) execute(t *Turn) (err *mallee.Error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			err = a.broken(t, r)
			return
		}
		// runtime.Goexit: this goroutine ends here, the activation must not hang.
		if a.conclude(t, a.broken(t, "runtime.Goexit")) {
			go a.run()
		}
	}()
	err = a.dispatch(t)
	returned = true
	return err
}

func (a *Activation) dispatch(t *Turn) *mallee.Error {
	var err error
	switch t.kind {
	case kindCall:
		if trace := a.table.runtime.config.Trace; trace != nil {
			err = a.callTraced(t, trace)
		} else {
			err = a.call(t)
		}
	case kindTick:
		t.tick.tick(t)
	case kindStart:
		err = a.start(t)
	case kindStop:
		err = a.stop(t)
	}
	if err == nil {
		return nil
	}
	if t.undone() {
		return mallee.AsError(err).BeforeRun()
	}
	return mallee.AsError(err)
}

func (a *Activation) call(t *Turn) error {
	if err := a.runCall(t); err != nil {
		return err
	}
	if !t.remote() {
		if err := t.call.CopyResults(); err != nil {
			return fmt.Errorf("copy results of %s: %w", t.name(), err)
		}
		return nil
	}
	// Results are encoded while the turn still owns what they point to.
	results, err := t.call.AppendResults(nil)
	if err != nil {
		return fmt.Errorf("encode results of %s: %w", t.name(), err)
	}
	t.abroad.results = results
	return nil
}

func (a *Activation) runCall(t *Turn) error {
	if answer := a.table.typ.Answer; answer != nil {
		return answer(t, a.actor, t.call)
	}
	return t.call.Run(t, a.actor)
}

// start prepares the actor, and gives it what it has brought from another node.
func (a *Activation) start(ctx context.Context) error {
	if err := a.prepare(ctx); err != nil {
		return err
	}
	if err := a.restore(ctx); err != nil {
		a.Log().Error("the actor starts without what it had in memory on another node", "error", err)
		a.forget()
		return a.prepare(ctx)
	}
	return nil
}

// prepare makes the actor, reads its state and lets it prepare itself.
func (a *Activation) prepare(ctx context.Context) error {
	a.actor = a.table.typ.New(&a.self)
	if a.actor == nil {
		return mallee.ErrActivation.Errorf("constructor returned nil")
	}
	for _, load := range a.takeLoads() {
		if err := load(ctx); err != nil {
			return err
		}
	}
	if actor, ok := a.actor.(mallee.Activator); ok {
		return actor.OnActivate(ctx)
	}
	return nil
}

// stop is the last code of the actor. One that has failed is not asked.
func (a *Activation) stop(t *Turn) error {
	a.stopTimers()
	if a.reason >= mallee.ReasonFailed {
		return nil
	}
	a.save(t)
	if d, ok := a.actor.(mallee.Deactivator); ok {
		return d.OnDeactivate(t, a.reason)
	}
	return nil
}

// takeLoads returns what is to be read, which is not needed again.
func (a *Activation) takeLoads() (loads []func(context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.extras == nil {
		return nil
	}
	loads, a.extras.loads = a.extras.loads, nil
	if a.extras.fire == nil && a.extras.log == nil && a.extras.mover == nil && a.extras.moved == nil && a.extras.told == 0 {
		a.extras = nil
	}
	return loads
}

func (a *Activation) broken(t *Turn, cause any) *mallee.Error {
	a.deactivate(mallee.ReasonFailed) // takes effect after the turn, which has the baton
	a.Log().ErrorContext(t, "actor panicked", "turn", t.name(), "panic", cause, "stack", string(debug.Stack()))
	return mallee.ErrPanic.Errorf("%s panicked: %v", t.name(), cause)
}

// leave takes the activation, whose last turn was t, out of the table and then
// answers what waits: with the error or, without one, by sending it to the next
// activation. Until then callers find this one, so two never overlap.
func (a *Activation) leave(t *Turn, answer *mallee.Error) {
	t.end(canceled)
	a.stopTimers() // also those of an actor that could not start
	if free := a.table.typ.Release; free != nil && a.actor != nil {
		free(a.actor)
	}
	a.flush()
	a.release()
	waiting, orphans := a.close(answer == nil)
	a.table.remove(a)
	a.announceEnd()
	a.left(answer, waiting, orphans)
	for _, t := range orphans {
		a.table.runtime.Lost(t.id(), t.call, answer)
	}
	err := answer
	if err == nil {
		err = ErrGone
	}
	for _, t := range waiting {
		t.answer(err)
	}
}

// close lets nothing more in. It returns the turns with a caller and, unless
// they are redelivered, the one-way calls: of those nobody waits who could route
// them anew. They go first, while no call can overtake them.
func (a *Activation) close(redeliver bool) (waiting, orphans []*Turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.phase = stopped
	a.counted()
	var calls []mallee.Call
	for t := a.mailbox.head; t != nil; t = a.mailbox.head {
		a.mailbox.remove(t)
		t.place, t.settled = placeEnded, true
		switch {
		case t.kind != kindCall:
		case t.waiter != nil || t.remote():
			waiting = append(waiting, t)
		case redeliver:
			calls = append(calls, t.call)
		default:
			orphans = append(orphans, t)
		}
	}
	if len(calls) > 0 {
		a.table.runtime.config.Redeliver(a.ID(), calls)
	}
	return waiting, orphans
}

// Lost accounts for a one-way call that did not run: its caller is not there
// to be told.
func (r *Runtime) Lost(id mallee.ID, call mallee.Call, err error) {
	r.lostOneWays.Add(1)
	r.config.Log.Error("one-way call lost: its activation ended before it ran", "call", id.String()+"."+call.Method(), "error", err)
}
