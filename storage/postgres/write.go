package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/jackc/pgx/v5"

	"github.com/mallee-io/mallee/storage"
)

// write is a writer: it does transactions while there are calls. It takes
// them when it has a connection; until then their callers may leave.
func (s *store) write() {
	var pause pause
	for s.queue.wanted() {
		calls, err := s.connectAndWrite()
		switch {
		case err == nil:
			pause.last = 0
			runtime.Gosched() // callers that have their results may come again
		case s.isClosed():
			deliver(s.queue.putBack(calls, nil), storage.ErrClosed)
		case code(err) == lockNotAvailable: // another process keeps it from one of them
			keepApart(calls)
			deliver(s.queue.putBack(calls, err), explain(s.where, err))
		case transient(err):
			deliver(s.queue.putBack(calls, err), explain(s.where, err))
			pause.wait(context.Background(), s.closed)
		case len(calls) > 1: // one of them is to blame
			keepApart(calls)
			deliver(s.queue.putBack(calls, err), explain(s.where, err))
		case len(calls) == 1:
			s.queue.finish(calls)
			deliver(calls, explain(s.where, err))
		default: // the server is there and refuses us
			deliver(s.queue.clear(), explain(s.where, err))
		}
	}
}

// keepApart gives each call a transaction of its own, so that what is wrong
// with one does not hurt the others.
func keepApart(calls []*call) {
	for _, c := range calls {
		c.alone = true
	}
}

func deliver(calls []*call, err error) {
	for _, c := range calls {
		c.done <- result{err: err}
	}
}

// connectAndWrite does one transaction, or none if other writers have taken
// all calls meanwhile. With an error come the calls that it has taken; nothing
// of them was written.
func (s *store) connectAndWrite() ([]*call, error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, lost{err}
	}
	calls := s.queue.take()
	if len(calls) == 0 {
		c.Release()
		return nil, nil
	}
	results, err := s.transact(ctx, c.Conn(), newGroup(calls))
	c.Release()
	if err != nil {
		return calls, err
	}
	s.queue.finish(calls)
	for i := range calls {
		calls[i].done <- results[i]
	}
	return nil, nil
}

// maxAttempts is how often a transaction is tried that others disturb.
const maxAttempts = 10

// transact writes a group. With an error nothing was written.
func (s *store) transact(ctx context.Context, c *pgx.Conn, g *group) ([]result, error) {
	var pause pause
	for attempt := 1; ; attempt++ {
		results, err := g.try(ctx, c)
		if err == nil {
			return results, nil
		}
		if c.IsClosed() {
			err = lost{err}
		} else if _, rollbackErr := c.Exec(ctx, "rollback"); rollbackErr != nil {
			// The connection is of no more use; its pool sees that.
			err = errors.Join(err, lost{rollbackErr})
		}
		switch unfit := class(err) == dataException || class(err) == limitExceeded; {
		case unfit && !g.plain:
			g.plain = true
		case disturbed(err) && attempt < maxAttempts && pause.wait(ctx, s.closed):
		case g.sent && !rolledBack(err):
			return g.all(fmt.Errorf("the outcome of a write is not known: %w", explain(s.where, err))), nil
		default:
			return nil, err
		}
		g.reset()
	}
}
