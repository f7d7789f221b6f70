package placement

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// maxQuestions bounds how many questions wait for the leader.
const maxQuestions = 100_000

// askAgainAfter is the pause before a question whose answer came to nothing
// twice is asked once more.
const askAgainAfter = 20 * time.Millisecond

// subject is what a question is about.
type subject struct {
	id        mallee.ID
	successor bool
}

// question is what one caller or several wait for.
type question struct {
	subject
	ticket  uint64 // 0: it is not with the leader, nor on its way
	waiting int    // callers
	refused int    // answers that came to nothing
	done    chan struct{}
	grant   Grant // with err, once done is closed
	err     error
}

// ask returns the answer of the leader.
func (m *membership) ask(ctx context.Context, s subject) (Grant, error) {
	if err := checkSubject(s); err != nil {
		return Grant{}, err
	}
	q, held, err := m.join(s)
	if q == nil {
		return held, err
	}
	select {
	case <-q.done:
		return q.grant, q.err
	case <-ctx.Done():
		return Grant{}, m.giveUp(ctx, q)
	}
}

// checkSubject keeps out what cannot be sent.
func checkSubject(s subject) error {
	if err := s.id.Validate(); err != nil {
		return mallee.AsError(err).BeforeRun()
	}
	if len(s.id.Type) > mallee.MaxKeyLength || !utf8.ValidString(s.id.Type) {
		return mallee.ErrInvalid.Errorf("the name of an actor type of %d bytes is too long, or is not valid UTF-8", len(s.id.Type)).BeforeRun()
	}
	return nil
}

// join begins a question, or joins one on the same subject. There is none to
// wait for when the node holds the grant, or with an error.
func (m *membership) join(s subject) (*question, Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(); err != nil {
		return nil, Grant{}, err
	}
	if epoch := m.holder.Holds(s.id); epoch != 0 && !s.successor {
		return nil, Grant{Node: m.id, Epoch: epoch}, nil
	}
	q := m.asking[s]
	if q == nil {
		if max(len(m.asking), len(m.questions)) >= maxQuestions {
			return nil, Grant{}, mallee.ErrOverloaded.Errorf("%d calls wait for the placement driver already: %s", maxQuestions, m.doing).BeforeRun()
		}
		q = &question{subject: s, done: make(chan struct{})}
		m.asking[s] = q
		m.submit(q)
	}
	q.waiting++
	return q, Grant{}, nil
}

// submit asks the leader, under a ticket that is used once. While there is none
// the question waits for it. It needs mu.
func (m *membership) submit(q *question) {
	if !m.open {
		return
	}
	q.ticket = m.holder.Ask(q.id)
	m.tickets[q.ticket] = q
	m.questions = append(m.questions, q)
	m.signal()
}

// retract makes an answer to a ticket worthless. It needs mu.
func (m *membership) retract(q *question) {
	m.holder.Forget(q.ticket)
	delete(m.tickets, q.ticket)
	q.ticket = 0
}

// finish answers the callers. It needs mu.
func (m *membership) finish(q *question, g Grant, err error) {
	m.retract(q)
	delete(m.asking, q.subject)
	q.grant, q.err = g, err
	close(q.done)
}

// giveUp ends a caller's wait.
func (m *membership) giveUp(ctx context.Context, q *question) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	q.waiting--
	if q.waiting == 0 && m.asking[q.subject] == q {
		m.finish(q, Grant{}, ctx.Err())
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return mallee.ErrCanceled.Errorf("locate %s: the caller gave up; %s", q.id, m.doing).BeforeRun()
	}
	return mallee.ErrUnavailable.Errorf("locate %s: no answer in time: %s", q.id, m.doing).BeforeRun()
}

// answer ends a question, if the answer of the leader of a term is worth
// anything. It needs mu.
func (m *membership) answer(a *pb.Answer, term uint64) {
	q := m.tickets[a.Ticket]
	if q == nil {
		return // the question is over
	}
	delete(m.tickets, a.Ticket)
	g := Grant{Node: NodeID(a.Node), Epoch: a.Epoch}
	switch {
	case a.Error != nil:
		m.finish(q, Grant{}, words.Error(a.Error).BeforeRun())
	case g.Node == 0:
		m.finish(q, Grant{}, mallee.ErrUnavailable.Errorf("locate %s: the placement driver answers without a node", q.id).BeforeRun())
	case q.successor || g.Epoch == 0 || g.Node != m.id: // not a grant to this node
		m.finish(q, g, nil)
	case m.holder.Answer(a.Ticket, term, g.Epoch, m.d.now()):
		m.finish(q, g, nil)
	case m.check() == nil:
		m.askAgain(q)
	}
}

// askAgain repeats a question whose answer was given before the release of the
// same grant had arrived. It needs mu.
func (m *membership) askAgain(q *question) {
	m.retract(q)
	q.refused++
	if q.refused == 1 {
		m.submit(q) // behind the release
		return
	}
	time.AfterFunc(askAgainAfter, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.asking[q.subject] == q && q.ticket == 0 {
			m.submit(q)
		}
	})
}
