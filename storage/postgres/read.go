package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mallee-io/mallee/storage"
)

const (
	getRow = `
		SELECT version, epoch, encoding, document, data FROM mallee_rows
		WHERE partition_id = $1 AND key2 = $2 AND key2_sum = $3`

	// Of a long key the order is that of its head and then of its tail.
	listRows = `
		SELECT key2, key2_tail, version, epoch, encoding, document, data FROM mallee_rows
		WHERE partition_id = $1
			AND key2 >= $2 AND (key2 > $2 OR key2_tail >= $3)
			AND key2 <= $4 AND (key2 < $4 OR key2_tail < $5)
		ORDER BY key2, key2_tail LIMIT $6`

	listPartitions = `
		SELECT id, table_name, key1 || key1_tail FROM mallee_partitions
		WHERE (table_name, key1) >= ($1, $2) AND (table_name > $1 OR key1 > $2 OR key1_tail >= $3)
		ORDER BY table_name, key1, key1_tail LIMIT $4`
)

// Bounds of a page: what is held in memory while its rows are yielded. No
// connection is held meanwhile.
const (
	firstPage    = 32
	maxPage      = 500
	maxPageBytes = 4 << 20 // and one row
)

func (s *store) Get(ctx context.Context, key storage.Key) (storage.Row, error) {
	if err := s.check(ctx); err != nil {
		return storage.Row{}, err
	}
	var row storage.Row
	head, _, sum := split(key.Key2)
	err := s.do(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		var found cells
		err := c.QueryRow(ctx, getRow, partitionID(key.Table, key.Key1), head, sum).Scan(found.columns()...)
		if err == nil {
			row, err = found.row(key)
		}
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return storage.Row{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
	case err != nil:
		return storage.Row{}, fmt.Errorf("read %s: %w", key, err)
	}
	return row, nil
}

func (s *store) List(ctx context.Context, r storage.Range) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		lower, upper := bounds(&r)
		pages := pages{store: s, id: partitionID(r.Table, r.Key1), table: r.Table, key1: r.Key1, lower: lower, upper: upper, rows: firstPage}
		for n := 0; !pages.done; {
			if r.Limit > 0 {
				pages.rows = min(pages.rows, r.Limit-n)
			}
			rows, err := pages.next(ctx)
			if err != nil {
				yield(storage.Row{}, fmt.Errorf("list %s: %w", storage.Key{Table: r.Table, Key1: r.Key1}, err))
				return
			}
			for _, row := range rows {
				if ctx.Err() != nil {
					yield(storage.Row{}, ctx.Err())
					return
				}
				if !yield(row, nil) {
					return
				}
			}
			if n += len(rows); n == r.Limit && n > 0 {
				return
			}
		}
	}
}

// pages reads the rows of a partition, page by page.
type pages struct {
	store        *store
	id           pgtype.UUID
	table, key1  string
	lower, upper string
	rows         int // of the next page
	done         bool
}

// next reads a page. Rows of some size make the pages after it shorter.
func (p *pages) next(ctx context.Context) (rows []storage.Row, err error) {
	if err := p.store.check(ctx); err != nil {
		return nil, err
	}
	var full bool
	err = p.store.do(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, full, err = p.read(ctx, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case full:
		p.rows = len(rows)
	case len(rows) < p.rows:
		p.done = true
	default:
		p.rows = min(4*p.rows, maxPage)
	}
	if len(rows) > 0 {
		p.lower = rows[len(rows)-1].Key.Key2 + "\x00" // just after it
	}
	return rows, nil
}

// read reads a page, which is full when it has maxPageBytes.
func (p *pages) read(ctx context.Context, c *pgxpool.Conn) (page []storage.Row, full bool, err error) {
	lower, lowerTail, _ := split(p.lower)
	upper, upperTail, _ := split(p.upper)
	rows, err := c.Query(ctx, listRows, p.id, lower, lowerTail, upper, upperTail, p.rows)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		if size >= maxPageBytes {
			return page, true, nil
		}
		var head, tail []byte
		var found cells
		if err := rows.Scan(append([]any{&head, &tail}, found.columns()...)...); err != nil {
			return nil, false, err
		}
		row, err := found.row(storage.Key{Table: p.table, Key1: p.key1, Key2: string(head) + string(tail)})
		if err != nil {
			return nil, false, err
		}
		page, size = append(page, row), size+len(row.Value)+len(row.Key.Key2)
	}
	return page, false, rows.Err()
}
