package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mallee-io/mallee/storage"
)

// do runs f on a connection, again and again while the server is away. So f
// may run more than once.
func (s *store) do(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var pause pause
	var trouble error
	for {
		err := s.once(bounded, f)
		switch {
		case err == nil:
			return nil
		case s.isClosed():
			return storage.ErrClosed
		case !transient(err):
			return explain(s.where, err)
		case bounded.Err() == nil: // otherwise it says nothing about the server
			trouble = err
		}
		if !pause.wait(bounded, s.closed) && bounded.Err() != nil {
			return s.gaveUp(ctx, trouble)
		}
	}
}

func (s *store) once(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return lost{err}
	}
	defer c.Release()
	if err := f(ctx, c); err != nil && c.Conn().IsClosed() {
		return lost{err}
	} else if err != nil {
		return err
	}
	return nil
}

// gaveUp is the error of a call that has waited for the server until its
// context ended, or as long as anyone waits. What it has met meanwhile may be
// nothing.
func (s *store) gaveUp(ctx context.Context, trouble error) error {
	own := ctx.Err()
	switch {
	case own != nil && trouble != nil:
		return fmt.Errorf("%w (%w)", explain(s.where, trouble), own)
	case own != nil:
		return fmt.Errorf("%s: no answer yet: %w", s.where, own)
	case trouble != nil:
		return explain(s.where, trouble)
	}
	return fmt.Errorf("%w: %s: no answer within %v", storage.ErrUnavailable, s.where, patience)
}

// pause grows from one attempt to the next.
type pause struct{ last time.Duration }

const (
	firstPause = 10 * time.Millisecond
	maxPause   = 500 * time.Millisecond
)

// wait reports whether the pause was kept until its end.
func (p *pause) wait(ctx context.Context, stop <-chan struct{}) bool {
	p.last = min(max(firstPause, 2*p.last), maxPause)
	timer := time.NewTimer(p.last/2 + rand.N(p.last/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-stop:
		return false
	}
}
