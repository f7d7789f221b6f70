// Package postgres keeps rows in PostgreSQL 13 or newer, or in a database that
// speaks its protocol. It needs no extension, and makes its tables by itself.
//
// A write that has been acknowledged has been committed. Writers that come
// together share a transaction, so a store writes many more rows in a second
// than the server does transactions.
//
// JSON values are in a column of type jsonb, for queries of your own:
//
//	SELECT convert_from(p.key1, 'UTF8') AS player, r.document->>'level' AS level
//	FROM mallee_rows r JOIN mallee_partitions p ON p.id = r.partition_id
//	WHERE p.table_name = 'state.Player'
//
// JSON that jsonb cannot hold, such as a string with \u0000, is in the column
// data instead, and so is what has more than 8 MiB. Read as you like, but
// write through the store only.
package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mallee-io/mallee/storage"
)

// How long things may take. A call whose context ends earlier ends earlier.
const (
	patience         = 15 * time.Second // for which a call waits for a server that is away
	connectTimeout   = 5 * time.Second  // of one attempt
	statementTimeout = 15 * time.Second // this and the next two are kept by the server
	lockTimeout      = 5 * time.Second
	idleTimeout      = 10 * time.Second // within a transaction
	writeTimeout     = 30 * time.Second // of a transaction with its repetitions
)

// store is open until closed is closed.
type store struct {
	pool   *pgxpool.Pool
	where  string // the database and its server, for messages
	queue  *queue
	closed chan struct{}
}

// Open opens the store in a database, and makes its tables where there are
// none. The URL is postgres://user:password@host:port/database with libpq's
// parameters, such as sslmode and search_path, and pool_max_conns: so many
// connections are used at most, half of them for writing. It defaults to 4 or
// the number of processors, whichever is more.
//
// While the server is away, Open and all calls try again until their context
// ends, for 15 seconds at most; then they fail with storage.ErrUnavailable. A
// database whose tables are of a newer version is refused and left alone. A
// batch has at most 64 MiB, with 1 KiB for each op; otherwise it is a
// storage.ErrTooLarge.
func Open(ctx context.Context, url string) (storage.Store, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, explain(place(config.ConnConfig), lost{err})
	}
	s := &store{
		pool:   pool,
		where:  place(config.ConnConfig),
		queue:  newQueue(max(1, int(config.MaxConns)/2)),
		closed: make(chan struct{}),
	}
	if err := s.migrate(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// Close ends calls that wait, and waits for those that the server is working
// on.
func (s *store) Close() error {
	if !s.queue.close() {
		return nil
	}
	close(s.closed)
	s.pool.Close() // when all connections have come back
	s.queue.drained()
	return nil
}

// check is where a call ends that need not begin.
func (s *store) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.isClosed() {
		return storage.ErrClosed
	}
	return nil
}

func (s *store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
