package replicated

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// What callers are told, in the protocol's words.
const (
	terminating = "Entity terminating"
	isDeleted   = "Entity deleted"
	notUpdated  = "Failed to update CRDT at requested write consistency"
	notDeleted  = "Failed to delete CRDT at requested write consistency"
)

// machine is the protocol of one instance: what is said on one stream. It only
// computes: of its replica it calls what does not wait, and it is told the time.
//
// The copy that the user function has is no replicated value, so only one side
// may change it at a time. It is the user function's turn while there are
// operations, commands and cancels, that it has not answered yet or whose change
// has not reached all that it has to. What others change meanwhile it is told
// after the last one, in one delta. When that does not come for too long, new
// commands wait for it.
//
// After each step the caller calls settle, and takes what there is to do.
type machine struct {
	dialect       dialect
	service, id   string
	cancelTimeout time.Duration
	replyTimeout  time.Duration
	holdAfter     time.Duration
	figures       *Figures

	mirror     mirror
	stale      time.Time // since when the user function cannot be told; zero: it knows all
	last       int64     // id of the latest command
	sent       uint64    // operations so far
	operations int       // that are not done
	exchanges  map[int64]*exchange
	held       []*exchange // that are to be asked, in their order
	cancels    []*exchange // that leave, in their order
	over       bool        // the stream is to be half-closed
	todo
}

// todo is what the steps of a machine leave to others, in this order.
type todo struct {
	messages []proto.Message // to the user function
	answers  []addressed     // to callers
	writes   []*write        // to wait for
	reports  []string        // to the user function's developer
}

func (t *todo) empty() bool {
	return len(t.messages)+len(t.answers)+len(t.writes)+len(t.reports) == 0
}

type addressed struct {
	to int64 // id of the command
	*Answer
}

// write is a change that has to reach more than this node, which the machine is
// told by written.
type write struct {
	of          *exchange
	consistency crdt.Consistency
	deletes     bool
}

// exchange is one command and its answers.
//
//	held → asked → open → leaving → ended
//
// Most are asked at once. Only streams are open, until the user function ends them or their caller has
// left. A reply that is held back, since a write is not done, keeps it in the
// table beyond its end.
type exchange struct {
	id      int64
	command proto.Message // until it is asked
	streams bool          // what the method answers with
	left    bool          // the caller has gone
	at      place
	order   uint64    // of its latest operation
	since   time.Time // when that was sent
	writes  int       // that are not done
	answers []*Answer // until they are
	early   []*Answer // messages of a stream that have come before its reply
}

// maxEarly bounds them. Node's library sends one.
const maxEarly = 16

type place uint8

const (
	held place = iota
	asked
	open
	leaving
	ended
)

// begin gives the user function the value, on a new stream.
func (m *machine) begin() error {
	if err := m.mirror.load(); err != nil {
		return err
	}
	initial, err := crdt.Diff(nil, m.mirror.view)
	if err != nil {
		return err
	}
	m.exchanges = make(map[int64]*exchange)
	return m.say(m.dialect.begin(m.service, m.id, initial))
}

func (m *machine) say(p proto.Message, err error) error {
	if err == nil {
		m.messages = append(m.messages, p)
	}
	return err
}

// command gives a command to the user function. The id is that of its answers.
func (m *machine) command(c *command.Command, now time.Time) (id int64) {
	m.last++
	x := &exchange{id: m.last, streams: c.On.ServerStreams}
	x.command = m.dialect.command(&cloudstatepb.Command{
		EntityId: m.id, Id: x.id, Name: c.On.Name, Payload: c.Payload.Any(), Streamed: x.streams,
	})
	m.exchanges[x.id] = x
	if !m.stale.IsZero() && now.Sub(m.stale) >= m.holdAfter {
		m.held = append(m.held, x)
	} else {
		m.ask(x, now)
	}
	return x.id
}

func (m *machine) ask(x *exchange, now time.Time) {
	m.operate(x, asked, now)
	_ = m.say(x.command, nil)
	x.command = nil
}

func (m *machine) operate(x *exchange, at place, now time.Time) {
	m.operations++
	m.sent++
	x.at, x.order, x.since = at, m.sent, now
}

// leave takes note that the caller of a command has gone.
func (m *machine) leave(id int64, now time.Time) {
	x := m.exchanges[id]
	if x == nil || x.left {
		return
	}
	x.left = true
	switch x.at {
	case held: // it does not run
		m.held = slices.DeleteFunc(m.held, func(h *exchange) bool { return h == x })
		m.answer(x, ending(nil))
	case open:
		m.cancel(x, now)
	}
}

// cancel tells the user function, once, that a stream has no caller any more. A
// stream that the user function has not accepted yet, or has ended, must not be
// canceled: libraries crash.
func (m *machine) cancel(x *exchange, now time.Time) {
	m.operate(x, leaving, now)
	m.cancels = append(m.cancels, x)
	m.figures.Cancels.Add(1)
	_ = m.say(m.dialect.cancelled(&cloudstatepb.StreamCancelled{EntityId: m.id, Id: x.id}), nil)
}

// received takes a message of the user function. After an error the instance
// cannot go on.
func (m *machine) received(s said, now time.Time) error {
	switch {
	case m.over:
		return nil
	case s.what == reply:
		return m.replied(s, now)
	case s.what == streamedMessage:
		m.streamed(s)
	case s.what == cancelResponse:
		return m.canceled(s)
	case s.what == failure:
		m.failed(s)
	}
	return nil
}

func (m *machine) replied(s said, now time.Time) error {
	x := m.exchanges[s.id]
	switch {
	case x == nil || x.at != asked:
		return fmt.Errorf("the user function has answered command %d, which does not wait for an answer", s.id)
	case s.streams && !x.streams:
		return fmt.Errorf("the user function has answered command %d, of a method without streams, with a stream", s.id)
	}
	m.proves(x.order)
	a := &Answer{Action: s.action, Effects: s.effects, First: true}
	a.last = !s.streams || s.action.GetFailure() != nil
	x.at = open
	if a.last {
		x.at = ended
	}
	if err := m.change(x, s.change, a); err != nil {
		x.at = asked // it still is
		return err
	}
	early := x.early
	x.early = nil
	for _, e := range early {
		if x.at == open {
			m.follow(x, e)
		}
	}
	if x.at == open && x.left && !m.over {
		m.cancel(x, now)
	}
	return nil
}

// change is the end of an operation: what it changes, and then its answer.
func (m *machine) change(x *exchange, c *change, a *Answer) error {
	if c == nil {
		m.done(x, a)
		return nil
	}
	err := m.apply(c)
	switch {
	case errors.Is(err, crdt.ErrDeleted): // elsewhere, and that will be said
		m.done(x, ending(command.Failed(isDeleted)))
		return nil
	case err != nil:
		if away := (*mallee.Error)(nil); errors.As(err, &away) { // the node's, not of the protocol
			m.done(x, ending(err))
		}
		return fmt.Errorf("command %d: %w", x.id, err)
	}
	if c.consistency == crdt.Local {
		m.done(x, a)
	} else {
		x.writes++
		x.answers = append(x.answers, a)
		m.writes = append(m.writes, &write{of: x, consistency: c.consistency, deletes: c.delta == nil})
	}
	if c.delta == nil {
		m.end(command.Failed(isDeleted), nil)
	}
	return nil
}

// apply changes the replica.
func (m *machine) apply(c *change) error {
	switch {
	case c.delta == nil && m.mirror.replica.Deleted(): // elsewhere at the same time
		return nil
	case c.delta == nil:
		return m.mirror.replica.Delete()
	}
	d := c.delta
	if c.creates && m.mirror.view.Kind != 0 {
		var err error
		if d, err = m.beyond(d); err != nil || d == nil {
			return err
		}
	}
	m.figures.Changes.Add(1)
	return m.mirror.change(d)
}

// beyond is what a whole value has that the user function was not told: nil for
// nothing. Java's library creates a value with its first change, also where it
// has got one of others since it made its own.
func (m *machine) beyond(whole *crdt.Delta) (*crdt.Delta, error) {
	var all crdt.View
	if err := all.Apply(whole); err != nil {
		return nil, fmt.Errorf("the user function has sent a value that is not possible: %w", err)
	}
	d, err := crdt.Diff(m.mirror.view, &all)
	if err != nil {
		return nil, fmt.Errorf("the user function creates another value than the one that is there: %w", err)
	}
	return d, nil
}

// done ends an operation with its answer.
func (m *machine) done(x *exchange, a *Answer) {
	m.operations--
	m.answer(x, a)
}

func (m *machine) answer(x *exchange, a *Answer) {
	if a.last {
		x.at = ended
	}
	if x.writes > 0 {
		x.answers = append(x.answers, a)
		return
	}
	m.answers = append(m.answers, addressed{x.id, a})
	if a.last {
		delete(m.exchanges, x.id)
	}
}

// written takes note that a write has reached as many as it had to, or has not
// in time: then the instance cannot go on.
func (m *machine) written(w *write, failed error) error {
	m.operations--
	x := w.of
	x.writes--
	if failed != nil {
		m.figures.Unattained.Add(1)
		text := notUpdated
		if w.deletes {
			text = notDeleted
		}
		x.answers = []*Answer{ending(command.Failed(text))}
	}
	if x.writes == 0 {
		answers := x.answers
		x.answers = nil
		for _, a := range answers {
			m.answer(x, a)
		}
	}
	if failed != nil && !m.over {
		return fmt.Errorf("command %d: %s: %w", x.id, notUpdated, failed)
	}
	return nil
}

// streamed takes a message of a stream. One that fails its stream ends it too:
// libraries have forgotten it then, and must not hear of it again. Node's library
// tells the stream of a command that changes the value before it has replied to
// that command: such a message waits for the reply.
func (m *machine) streamed(s said) {
	x := m.exchanges[s.id]
	a := &Answer{Action: s.action, Effects: s.effects}
	a.last = s.ends || s.action.GetFailure() != nil
	switch {
	case x != nil && (x.at == open || x.at == leaving):
		m.follow(x, a)
	case x != nil && x.at == asked && x.streams && len(x.early) < maxEarly:
		x.early = append(x.early, a)
	default:
		m.report("%s %q has sent a message for command %d, which has no stream.", m.service, m.id, s.id)
	}
}

// follow is a message after the reply.
func (m *machine) follow(x *exchange, a *Answer) {
	if a.last && x.at == leaving {
		m.operations--
		m.forget(x)
	}
	m.answer(x, a)
}

// forget takes a cancel from those that wait for a response.
func (m *machine) forget(x *exchange) {
	if i := slices.Index(m.cancels, x); i >= 0 {
		m.cancels = slices.Delete(m.cancels, i, i+1)
	}
}

// canceled takes the response to a cancel. One that comes too late has changed
// the user function's copy nevertheless.
func (m *machine) canceled(s said) error {
	x := m.exchanges[s.id]
	if (x == nil || x.at == ended) && s.id > 0 && s.id <= m.last {
		x = &exchange{left: true, at: leaving} // of no command: the answers to that are another's concern
		m.operations++
		if len(s.effects) > 0 {
			m.report("%s %q has responded too late to a cancel of command %d: its side effects are not carried out.", m.service, m.id, s.id)
		}
	}
	if x == nil || x.at != leaving {
		return fmt.Errorf("the user function has canceled the stream of command %d by itself", s.id)
	}
	m.forget(x)
	m.proves(x.order)
	return m.change(x, s.change, &Answer{Effects: s.effects, last: true})
}

// proves ends the cancels before an operation that the user function has
// answered: it does one after the other, and some libraries have no response.
func (m *machine) proves(order uint64) {
	for len(m.cancels) > 0 && m.cancels[0].order < order {
		m.giveUp(m.cancels[0])
	}
}

// giveUp ends a cancel without a response.
func (m *machine) giveUp(x *exchange) {
	m.forget(x)
	m.done(x, ending(nil))
}

// failed takes a failure that is no answer. Those of no command, or of one that
// is over, are followed by the end of the stream.
func (m *machine) failed(s said) {
	x := m.exchanges[s.id]
	if x == nil || x.at == held || x.at == ended {
		return
	}
	if x.at == asked {
		m.proves(x.order)
	}
	if x.at != open {
		m.operations--
	}
	m.forget(x)
	m.answer(x, ending(command.Failed(s.failure)))
}

// tick ends what has waited for too long.
func (m *machine) tick(now time.Time) error {
	for len(m.cancels) > 0 && now.Sub(m.cancels[0].since) >= m.cancelTimeout {
		m.giveUp(m.cancels[0])
	}
	var late error
	for _, x := range m.exchanges {
		if x.at == asked && now.Sub(x.since) >= m.replyTimeout {
			late = mallee.ErrTimeout.Errorf("the user function has let an entity wait for more than %v", m.replyTimeout)
			m.done(x, ending(late))
		}
	}
	return late
}

// settle tells the user function of what others have changed, in its turn, and asks
// what has waited for that.
func (m *machine) settle(now time.Time) error {
	switch {
	case m.over:
		return nil
	case !m.mirror.behind():
		m.stale = time.Time{}
	case m.operations == 0:
		m.stale = time.Time{}
		if err := m.tell(now); err != nil || m.over {
			return err
		}
	case m.stale.IsZero():
		m.stale = now
	}
	if m.stale.IsZero() {
		for _, x := range m.held {
			m.ask(x, now)
		}
		m.held = nil
	}
	return nil
}

func (m *machine) tell(now time.Time) error {
	tell := m.dialect.changed
	if m.mirror.view.Kind == 0 {
		tell = m.dialect.appeared
	}
	d, err := m.mirror.follow(now)
	switch {
	case m.mirror.replica.Deleted():
		_ = m.say(m.dialect.deleted(), nil)
		m.end(command.Failed(isDeleted), nil)
		return nil
	case err != nil || d == nil:
		return err
	}
	m.figures.Deltas.Add(1)
	return m.say(tell(d))
}

// end ends the stream and all exchanges: those that wait for a reply fail with an
// error, and so do open ones unless theirs is nil.
func (m *machine) end(waiting, streaming error) {
	if m.over {
		return
	}
	m.over, m.held = true, nil
	for _, id := range slices.Sorted(maps.Keys(m.exchanges)) {
		switch x := m.exchanges[id]; x.at {
		case held, asked:
			m.answer(x, ending(waiting))
		case open, leaving:
			m.answer(x, ending(streaming))
		}
	}
}

func (m *machine) report(format string, args ...any) {
	m.reports = append(m.reports, fmt.Sprintf(format, args...))
}

// idle reports whether nobody needs the stream.
func (m *machine) idle() bool { return len(m.exchanges) == 0 && m.operations == 0 }

// take gives what there is to do, once.
func (m *machine) take() todo {
	t := m.todo
	m.todo = todo{}
	return t
}
