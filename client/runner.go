package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// runner keeps a Conn connected. One goroutine runs it.
type runner struct {
	conn    *Conn
	route   route
	backoff backoff
	refused *edge.Closed // why the last login was not good enough
}

// route is where gateways are. The URL at is used first.
type route struct {
	urls []string
	at   int
}

// dial dials the present URL, and turns to the next one if that fails.
func (r *route) dial(ctx context.Context, c *Config) (carrier, error) {
	attempt, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	conn, err := dial(attempt, r.urls[r.at], c)
	if err != nil {
		r.turn()
	}
	return conn, err
}

func (r *route) turn() { r.at = (r.at + 1) % len(r.urls) }

// run serves links until the session has ended.
func (r *runner) run(ctx context.Context, l *link) {
	defer close(r.conn.stopped)
	for {
		err := r.serve(ctx, l)
		if next := l.successor; next != nil {
			if l, err = r.follow(ctx, next, err); err == nil {
				continue
			}
		}
		if l, err = r.comeBack(ctx, err); err != nil {
			r.conn.end(err)
			return
		}
	}
}

// follow goes on at another gateway, unless the first one has had the last word.
func (r *runner) follow(ctx context.Context, next *successor, end error) (*link, error) {
	if ctx.Err() != nil || reasonOf(end).Code.Action() != edge.ActResume {
		next.carrier.close()
		return nil, end
	}
	r.route = next.route
	return r.open(ctx, next.carrier, nil)
}

// comeBack connects again after a link was lost. The error is the end.
func (r *runner) comeBack(ctx context.Context, err error) (*link, error) {
	for {
		if ctx.Err() != nil {
			return nil, errClosed
		}
		var given *givenUp
		if errors.As(err, &given) {
			return nil, err
		}
		closed := reasonOf(err)
		r.conn.config.Notify(Event{Closed: closed})
		switch closed.Code.Action() {
		case edge.ActStop:
			return nil, closed
		case edge.ActLogin:
			r.conn.forget()
			if closed.Code != edge.CodeResumeRefused {
				r.refused = closed
			}
		}
		select {
		case <-ctx.Done():
			return nil, errClosed
		case <-time.After(r.backoff.next()):
		}
		var l *link
		if l, err = r.connect(ctx); err == nil {
			return l, nil
		}
	}
}

// reasonOf is the code that an error of a connection stands for.
func reasonOf(err error) *edge.Closed {
	var closed *edge.Closed
	if errors.As(err, &closed) {
		return closed
	}
	var wrong *edge.Violation
	if errors.As(err, &wrong) {
		return &edge.Closed{Code: wrong.Code, Reason: wrong.Reason}
	}
	return &edge.Closed{Reason: err.Error()} // it was cut
}

// givenUp is the error of a Config.Login.
type givenUp struct{ cause error }

func (g *givenUp) Error() string { return fmt.Sprintf("login: %v", g.cause) }
func (g *givenUp) Unwrap() error { return g.cause }

// connect tries each URL once.
func (r *runner) connect(ctx context.Context) (*link, error) {
	var login json.RawMessage
	if r.conn.resume() == nil {
		var err error
		if login, err = r.conn.config.Login(ctx, r.refused); err != nil {
			return nil, &givenUp{err}
		}
	}
	errs := []error{errors.New("no gateway can be reached")}
	for range r.route.urls {
		l, err := r.attempt(ctx, login)
		if err == nil {
			return l, nil
		}
		if reasonOf(err).Code.Action() != edge.ActResume { // others would say the same
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// attempt tries the present URL, and turns to the next one if that fails.
func (r *runner) attempt(ctx context.Context, login json.RawMessage) (*link, error) {
	conn, err := r.route.dial(ctx, &r.conn.config)
	if err != nil {
		return nil, err
	}
	l, err := r.open(ctx, conn, login)
	if err != nil {
		r.route.turn()
	}
	return l, err
}

// open says hello and waits for the welcome.
func (r *runner) open(ctx context.Context, conn carrier, login json.RawMessage) (*link, error) {
	attempt, cancel := context.WithTimeout(ctx, r.conn.config.Timeout)
	defer cancel()
	stop := context.AfterFunc(attempt, conn.close)
	hello, err := edge.Encode(r.conn.begin(login))
	if err == nil {
		err = conn.write([]edge.Data{{Kind: edge.KindLogin, Payload: hello}})
	}
	var event edge.Event
	for err == nil && event.Opened == nil {
		event, err = r.conn.next(conn)
	}
	if !stop() {
		err = fmt.Errorf("the gateway has not answered: %w", attempt.Err())
	}
	if err != nil {
		conn.close()
		return nil, fmt.Errorf("open a session: %w", err)
	}
	r.refused = nil
	l := newLink(r.conn, conn, event.Opened)
	r.conn.attach(l, event.Opened)
	r.conn.config.Notify(Event{Opened: event.Opened})
	if event.Lost != nil {
		r.deliver(ctx, l, arrival{lost: event.Lost})
	}
	return l, nil
}

// serve uses a link until it is over. The error says why.
func (r *runner) serve(ctx context.Context, l *link) error {
	served, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, l.carrier.close)
	l.tasks.Go(l.write)
	err := r.read(served, l)
	var wrong *edge.Violation
	if errors.As(err, &wrong) {
		l.carrier.goodbye(wrong.Code, wrong.Reason)
	}
	cancel()
	close(l.over)
	l.carrier.close()
	l.tasks.Wait()
	stop()
	r.conn.detach()
	r.backoff.lasted(time.Since(l.began))
	return err
}

// read takes what comes.
func (r *runner) read(ctx context.Context, l *link) error {
	for {
		event, err := r.conn.next(l.carrier)
		if err != nil {
			return err
		}
		l.heard.Store(true)
		switch {
		case event.Data.Kind != 0:
			m := mallee.Message{Text: event.Data.Kind == edge.KindText, Data: event.Data.Payload}
			r.deliver(ctx, l, arrival{message: m})
			l.poke() // an ack may be due
		case event.Lost != nil:
			r.deliver(ctx, l, arrival{lost: event.Lost})
		case event.Pong != nil:
			l.say(*event.Pong)
		case event.Move != nil:
			r.move(ctx, l, event.Move)
		}
	}
}

// deliver gives something to Receive. While nobody receives, nothing is read.
func (r *runner) deliver(ctx context.Context, l *link, a arrival) {
	l.held.Store(true)
	defer l.held.Store(false)
	select {
	case r.conn.inbox <- a:
	case <-ctx.Done():
	}
}

// move starts to leave the gateway. Without a token there is nothing to take
// along: then the client stays until it is closed.
func (r *runner) move(ctx context.Context, l *link, m *edge.Move) {
	r.conn.config.Notify(Event{Moving: m})
	if r.conn.resume() == nil || l.moving {
		return
	}
	l.moving = true
	to := route{}
	for _, u := range m.URLs {
		if carries(u) {
			to.urls = append(to.urls, u)
		}
	}
	to.urls = append(to.urls, r.conn.config.URLs...)
	l.tasks.Go(func() { l.move(ctx, m, to) })
}
