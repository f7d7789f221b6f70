package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mallee-io/mallee/storage/postgres"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

// A postgresAppender is an appender on a PostgreSQL server.
type postgresAppender interface {
	PostgresAppends(ctx context.Context, url string) (steps func(caller int) func() error, end func() error, err error)
	postgresCallers() int
}

// postgresBench counts durable writes per second to a PostgreSQL server of its
// own, as it is installed: 64 actors against one client that does one row a
// transaction.
func postgresBench() bench {
	return bench{
		name:   "postgres-append-64",
		unit:   "events/s",
		admits: func(c contestant) bool { _, ok := c.(postgresAppender); return ok },
		measure: func(ctx context.Context, c contestant, d time.Duration) (s sample, err error) {
			server, err := postgrestest.New()
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, server.Close()) }()
			p := c.(postgresAppender)
			steps, end, err := p.PostgresAppends(ctx, server.URL())
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, end()) }()
			return perSecond(ctx, p.postgresCallers(), d, steps)
		},
	}
}

func (m *malleeStore) postgresCallers() int { return 64 }

func (m *malleeStore) PostgresAppends(ctx context.Context, url string) (func(caller int) func() error, func() error, error) {
	store, err := postgres.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	end, err := m.openOn(ctx, store)
	return m.appends, end, err
}

// postgresOneRow inserts a row in each transaction, in one round trip.
type postgresOneRow struct{ started }

func (postgresOneRow) postgresCallers() int { return 1 }

func (postgresOneRow) PostgresAppends(ctx context.Context, url string) (func(caller int) func() error, func() error, error) {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	if _, err := c.Exec(ctx, "CREATE TABLE events (id bigint PRIMARY KEY, event jsonb)"); err != nil {
		return nil, nil, err
	}
	n := 0
	return func(int) func() error {
		return func() error {
			n++
			_, err := c.Exec(ctx, "INSERT INTO events VALUES ($1, $2)", n, string(event))
			return err
		}
	}, func() error { return c.Close(context.WithoutCancel(ctx)) }, nil
}
