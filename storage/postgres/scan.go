package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mallee-io/mallee/storage"
)

// pagePartitions is how many partitions Scan looks up at once.
const pagePartitions = 200

// Scan goes through the partitions in the order of their keys, and lists each.
func (s *store) Scan(ctx context.Context, from storage.Key) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		for at := from; ; {
			partitions, err := s.partitionsFrom(ctx, at)
			if err != nil {
				yield(storage.Row{}, fmt.Errorf("scan: %w", err))
				return
			}
			for _, r := range partitions {
				if r.Table == from.Table && r.Key1 == from.Key1 {
					r.From = from.Key2
				}
				for row, err := range s.List(ctx, r) {
					if !yield(row, err) || err != nil {
						return
					}
				}
				at = storage.Key{Table: r.Table, Key1: r.Key1 + "\x00"} // just after it
			}
			if len(partitions) < pagePartitions {
				return
			}
		}
	}
}

// partitionsFrom are the next partitions, as ranges of all their rows.
func (s *store) partitionsFrom(ctx context.Context, from storage.Key) (page []storage.Range, err error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	key1, tail, _ := split(from.Key1)
	err = s.do(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, listPartitions, []byte(from.Table), key1, tail, pagePartitions)
		if err != nil {
			return err
		}
		page = page[:0]
		var id pgtype.UUID
		var table, key1 []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &table, &key1}, func() error {
			r := storage.Range{Table: string(table), Key1: string(key1)}
			if id != partitionID(r.Table, r.Key1) {
				return damaged("%s has another id in mallee_partitions", storage.Key{Table: r.Table, Key1: r.Key1})
			}
			page = append(page, r)
			return nil
		})
		return err
	})
	return page, err
}
