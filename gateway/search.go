package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/token"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

// searches are the sessions that clients want to resume here just now, by ID.
type searches struct {
	mu sync.Mutex
	of map[uint64]*search
}

// search is the way to a session: here, then where its token says, then at all
// gateways. Only when none has it a new one begins with its ID, so that there
// never are two. Of two gateways that search for one, that of the client's later
// attempt goes on.
type search struct {
	session uint64
	attempt uint64
	to      uint64 // where the session will be; 0: not known yet
	over    bool   // the client has come elsewhere by a later attempt
	done    chan struct{}
}

// begin waits for a search by an older connection of the client.
func (l *searches) begin(ctx context.Context, session, attempt uint64) (*search, error) {
	for {
		l.mu.Lock()
		f := l.of[session]
		switch {
		case f == nil:
			f = &search{session: session, attempt: attempt, done: make(chan struct{})}
			l.of[session] = f
			l.mu.Unlock()
			return f, nil
		case f.attempt > attempt:
			l.mu.Unlock()
			return nil, errReplaced
		}
		l.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, &login.Refusal{Code: edge.CodeUnavailable, Reason: "the session is about to move"}
		}
	}
}

func (l *searches) end(f *search) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, f.session)
	close(f.done)
}

// settle says where the session will be; 0 takes that back. It fails when the
// client has come elsewhere.
func (l *searches) settle(f *search, to uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.over {
		return errReplaced
	}
	f.to = to
	return nil
}

// wait returns when the session that is asked for is not about to come any more.
// Only later attempts wait for earlier ones, so that no two wait for each other.
func (l *searches) wait(ctx context.Context, q *handover.Take) (late bool, err error) {
	l.mu.Lock()
	f := l.of[q.Session]
	here := f != nil && f.to == q.At
	l.mu.Unlock()
	switch {
	case !here:
		return false, nil
	case f.attempt > q.Attempt:
		return true, nil
	}
	select {
	case <-f.done:
		return false, nil
	case <-ctx.Done():
		return false, mallee.ErrTimeout.Errorf("session %d is on its way", q.Session).BeforeRun()
	}
}

// asked looks for a search on behalf of another gateway. One of an older attempt
// ends.
func (l *searches) asked(q *handover.Find) (answer handover.Found, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.of[q.Session]
	switch {
	case f == nil:
		return answer, false
	case f.attempt > q.Attempt:
		return handover.Found{Late: true}, true
	case f.to != 0:
		return handover.Found{At: f.to}, true
	}
	f.over = true
	return answer, false
}

// has answers another gateway that searches.
func (g *Gateway) has(q *handover.Find) *handover.Found {
	if answer, known := g.searches.asked(q); known {
		return &answer
	}
	if s := g.sessions.known(q.Session); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state != ended {
			return &handover.Found{At: s.at}
		}
	}
	g.moves.mu.Lock()
	defer g.moves.mu.Unlock()
	return &handover.Found{At: g.moves.table.Given(q.Session)}
}

// fetch gets a session from where it is, or begins it anew where it is nowhere.
func (g *Gateway) fetch(ctx context.Context, conn carrier.Conn, f *search, t *token.Token, hello *edge.Hello) (*session, error) {
	question := handover.Take{Session: t.Session, At: t.At, Epoch: t.Epoch, Received: hello.Resume.Received, Attempt: hello.Resume.Attempt}
	given, err := g.ask(ctx, f, &question)
	if err != nil {
		return nil, err
	}
	if given == nil {
		return g.restart(conn, t, f.attempt, question.To)
	}
	s := g.adopt(given, question.To, f.attempt)
	g.routed(func(table *handover.Table) []handover.Effect { return table.Taken(question.To) })
	g.counts.taken.Add(1)
	_, err = s.resume(conn, t, hello.Resume)
	go s.deliver()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ask follows a session to where it is; it returns nothing where it is nowhere.
// q.To is the place for it then.
func (g *Gateway) ask(ctx context.Context, f *search, q *handover.Take) (given *handover.Record, err error) {
	for given == nil && q.At != 0 && err == nil {
		for next := g.where(q.At); next != 0; next = g.where(q.At) {
			q.At = next
		}
		at := uint64(0)
		if node := sessions.GatewayOf(q.At); node != g.config.Node.ID() && !g.announcing.hasLost(node) {
			given, at, err = g.take(ctx, f, q)
		}
		if given != nil || err != nil {
			break
		}
		if at == 0 {
			at, err = g.everywhere(ctx, &handover.Find{Session: q.Session, Attempt: q.Attempt})
		}
		q.At = at
	}
	if given != nil || err != nil {
		return given, err
	}
	if q.To, err = g.sessions.reserve(g.config.Node.ID()); err != nil {
		return nil, err
	}
	return nil, g.searches.settle(f, q.To)
}

// take asks the gateway where the session was last known to be. It returns the
// session, or where it has gone since, or neither.
func (g *Gateway) take(ctx context.Context, f *search, q *handover.Take) (given *handover.Record, at uint64, err error) {
	if q.To, err = g.sessions.reserve(g.config.Node.ID()); err != nil {
		return nil, 0, err
	}
	if err := g.searches.settle(f, q.To); err != nil {
		return nil, 0, err
	}
	g.routed(func(t *handover.Table) []handover.Effect {
		t.Taking(q.To, q.At)
		return nil
	})
	var answer handover.Taken
	body, err := q.Append(nil)
	if err == nil {
		err = g.insist(ctx, sessions.GatewayOf(q.At), handover.QuestionTake, body, answer.Parse)
	}
	if err == nil && answer.Record != nil {
		return answer.Record, 0, nil
	}
	g.routeEnded(q.To)
	switch {
	case err != nil:
	case answer.Ended.Code != 0:
		g.verdicts.add(q.Session, answer.Ended, g.now())
		err = &login.Refusal{Code: answer.Ended.Code, Reason: answer.Ended.Reason}
	case answer.Late:
		err = errReplaced
	}
	if err != nil && !errors.Is(err, errGone) {
		return nil, 0, err
	}
	if answer.Gone == q.To {
		answer.Gone = 0 // an answer with the session has been lost
	}
	return nil, answer.Gone, g.searches.settle(f, 0)
}

// everywhere asks all gateways whether they have a session. It returns 0 when
// none has.
func (g *Gateway) everywhere(ctx context.Context, q *handover.Find) (at uint64, err error) {
	body, err := q.Append(nil)
	if err != nil {
		return 0, err
	}
	nodes, err := g.config.Node.Members(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type reply struct {
		handover.Found
		err error
	}
	own := g.config.Node.ID()
	nodes = slices.DeleteFunc(nodes, func(n placement.NodeID) bool { return n == own })
	replies := make(chan reply, len(nodes))
	for _, node := range nodes {
		go func() {
			var r reply
			r.err = g.insist(ctx, node, handover.QuestionFind, body, r.Parse)
			replies <- r
		}()
	}
	for range nodes {
		switch r := <-replies; {
		case r.err != nil && !errors.Is(r.err, errGone):
			return 0, r.err
		case r.Late:
			return 0, errReplaced
		case r.At != 0:
			return r.At, nil
		}
	}
	return 0, nil
}

// errGone says that a gateway has no sessions any more.
var errGone = errors.New("the gateway is gone")

// insist asks a gateway until it answers or is known to be gone. Whoever does
// not answer in time may have the session, and the client has to try again.
func (g *Gateway) insist(ctx context.Context, node placement.NodeID, question string, body []byte, parse func([]byte) error) error {
	for {
		answer, err := g.config.Node.AskGateway(ctx, node, question, body)
		switch {
		case err == nil:
			return parse(answer)
		case errors.Is(err, mallee.ErrNotFound), g.announcing.hasLost(node), !g.member(ctx, node):
			return errGone
		case ctx.Err() != nil, g.ended.Err() != nil:
			return mallee.ErrUnavailable.Errorf("gateway %s does not say whether it has the session: %v", node, err)
		}
		g.pause(searchPause)
	}
}

// member reports whether a node may live.
func (g *Gateway) member(ctx context.Context, node placement.NodeID) bool {
	nodes, err := g.config.Node.Members(ctx)
	return err != nil || slices.Contains(nodes, node)
}
