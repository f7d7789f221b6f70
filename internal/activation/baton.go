package activation

import "github.com/mallee-io/mallee"

// enqueue takes a turn in, or says why not. On ErrGone the activation has
// ended and the caller must find another one.
func (a *Activation) enqueue(t *Turn) error {
	a.mu.Lock()
	start, err := a.accept(t)
	a.mu.Unlock()
	if start {
		go a.run()
	}
	return err
}

func (a *Activation) accept(t *Turn) (start bool, err error) {
	if a.phase == stopped {
		return false, ErrGone
	}
	t.at = a
	list, at := &a.mailbox, placeMailbox
	if t.parent != nil && a.hosts(t.parent) {
		if a.table.typ.NonReentrant || a.phase != running {
			err := cycleError(t)
			a.count(t, err)
			return false, err
		}
		list, at = &a.nested, placeNested
	}
	if t.kind == kindCall {
		if list.n >= a.table.typ.MailboxSize {
			err := a.overloadError()
			a.count(t, err)
			return false, err
		}
		a.called = true
	}
	a.arrives(t, list.n)
	list.push(t, at)
	if !a.watched {
		a.watched = true
		a.table.runtime.watch.add(a)
	}
	if t.waiter != nil && t.deadline == 0 {
		t.deadline = a.table.runtime.defaultDeadline()
	}
	return a.baton == nil && a.pass(), nil
}

// hosts reports whether a turn of the chain is active here: then a call of
// that chain waits for this actor, and the actor for it.
func (a *Activation) hosts(chain *Turn) bool {
	if a.active.n == 0 {
		return false
	}
	id := a.ID()
	for hop := chain; hop != nil; hop = hop.parent {
		if hop.id() != id {
			continue
		}
		for t := a.active.head; t != nil; t = t.next {
			if t.number == hop.number {
				return true
			}
		}
	}
	return false
}

// pass gives the free baton to the first in line: a turn that is back from its
// call, then a nested one, then the head of the mailbox, then, when nothing is
// active, the stop of the activation. It reports whether the turn is a new
// one, which needs a goroutine to run it.
func (a *Activation) pass() (run bool) {
	a.baton = nil
	if t := a.claims; t != nil {
		a.claims, t.loan.next = t.loan.next, nil
		a.baton = t
		t.loan.resume.signal()
		return false
	}
	t := a.nextTurn()
	if t == nil {
		return false
	}
	a.begin(t)
	a.baton = t
	return true
}

func (a *Activation) nextTurn() *Turn {
	if t := a.nested.head; t != nil {
		a.nested.remove(t)
		return t
	}
	if a.phase != running || a.mailbox.head == nil && a.reason == 0 {
		return nil
	}
	if a.reason < mallee.ReasonFailed && !a.owns() { // what waits is for the owner that there is now
		a.reason = mallee.ReasonFenced
	}
	serves := a.reason == 0 || a.reason == mallee.ReasonStopping
	if t := a.mailbox.head; t != nil && serves && a.admits(t) {
		a.mailbox.remove(t)
		return t
	}
	if a.reason != 0 && a.active.n == 0 {
		a.phase = stopping
		return a.newTurn(kindStop)
	}
	return nil
}

// owns reports whether the activation may still act for its actor. It looks at
// the clock: a process that was stopped goes on before it is fenced. It needs
// the lock.
func (a *Activation) owns() bool {
	if a.epoch != 0 && !a.fenced {
		a.fenced = !a.table.runtime.config.Owns()
	}
	return !a.fenced
}

// admits reports whether a turn of another chain may begin now: only a
// read-only one among read-only ones interleaves. Only the head of the mailbox
// is asked, so readers do not pass a writer that waits.
func (a *Activation) admits(t *Turn) bool {
	return a.active.n == 0 || t.flags&mallee.ReadOnly != 0 && a.writers == 0
}

func (a *Activation) begin(t *Turn) {
	a.active.push(t, placeActive)
	if t.flags&mallee.ReadOnly == 0 {
		a.writers++
	}
	a.turnSeq++
	t.number = a.turnSeq
	a.begins(t)
	if t.deadline == 0 { // nobody waits: its time runs from here
		t.deadline = a.table.runtime.defaultDeadline()
	}
}

// Lend is called by a turn before it waits in a call of its own; each Lend
// needs its Reclaim. While several goroutines of a turn wait in calls the
// baton is lent until the last of them is back.
func (t *Turn) Lend(id mallee.ID, method string) {
	a := t.at
	a.mu.Lock()
	if t.loan == nil {
		t.loan = &loan{}
	}
	t.loan.calls++
	t.acted = true
	t.loan.waitsFor = callee{id, method}
	start := a.baton == t && a.pass()
	a.mu.Unlock()
	if start {
		go a.run()
	}
}

// Reclaim returns when the turn may touch its actor again.
func (t *Turn) Reclaim() {
	a := t.at
	a.mu.Lock()
	t.loan.calls--
	if t.loan.calls > 0 || t.place == placeEnded || a.baton == t {
		a.mu.Unlock()
		return
	}
	if a.baton == nil {
		a.baton = t
		a.mu.Unlock()
		return
	}
	w := a.table.runtime.newWaiter()
	t.loan.resume = w
	last := &a.claims
	for *last != nil {
		last = &(*last).loan.next
	}
	*last = t
	a.mu.Unlock()
	<-w.ready
	a.table.runtime.waiters.Put(w)
}

// finish ends a turn and passes the baton on. It reports whether there is
// another turn for the goroutine to run.
func (a *Activation) finish(t *Turn, err *mallee.Error) (more bool) {
	a.mu.Lock()
	a.active.remove(t)
	t.place = placeEnded
	if t.kind == kindStart {
		a.phase = running
	}
	if t.flags&mallee.ReadOnly == 0 {
		a.writers--
	}
	unanswered := !t.settled
	t.settled = true
	a.ends(t)
	if unanswered {
		a.count(t, err)
	}
	more = (a.baton == t || a.baton == nil) && a.pass()
	a.mu.Unlock()
	t.end(canceled)
	if unanswered {
		t.answer(err)
	}
	return more
}

// answer tells the caller of a settled turn, if there is one. The turn must
// not be used after that: its caller may be gone.
func (t *Turn) answer(err *mallee.Error) {
	switch {
	case t.waiter != nil:
		t.waiter.err = err
		t.waiter.signal()
	case t.remote():
		t.abroad.reply(t.abroad.results, err)
	}
}
