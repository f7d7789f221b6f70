package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// try does the transaction in two round trips.
func (g *group) try(ctx context.Context, c *pgx.Conn) ([]result, error) {
	if err := g.read(ctx, c); err != nil {
		return nil, err
	}
	results := g.decide()
	if !g.writes() {
		_, err := c.Exec(ctx, "rollback")
		return results, err
	}
	g.sent = true
	return results, g.commit(ctx, c)
}

// The statements of a transaction. It begins by locking its partitions, in one
// order in all processes; then nobody else writes their rows.
const (
	begin = `BEGIN ISOLATION LEVEL READ COMMITTED`

	createPartitions = `
		INSERT INTO mallee_partitions (id, table_name, key1, key1_tail, epoch, last_version)
		SELECT id, table_name, key1, key1_tail, 0, 0
		FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[]) AS u (id, table_name, key1, key1_tail)
		ON CONFLICT (id) DO NOTHING`

	lockPartitions = `
		SELECT id, epoch, last_version FROM mallee_partitions WHERE id = ANY ($1::uuid[])
		ORDER BY id FOR UPDATE`

	readVersions = `
		SELECT u.n, (SELECT r.version FROM mallee_rows r
			WHERE r.partition_id = u.id AND r.key2 = u.key2 AND r.key2_sum = u.key2_sum)
		FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS u (id, key2, key2_sum, n)`

	putRows = `
		INSERT INTO mallee_rows (partition_id, key2, key2_tail, key2_sum, version, epoch, encoding, document, data)
		SELECT id, key2, key2_tail, key2_sum, version, epoch, encoding, document::jsonb, data
		FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::smallint[], $8::text[], $9::bytea[])
			AS u (id, key2, key2_tail, key2_sum, version, epoch, encoding, document, data)
		ON CONFLICT (partition_id, key2, key2_sum) DO UPDATE SET
			version = excluded.version, epoch = excluded.epoch, encoding = excluded.encoding,
			document = excluded.document, data = excluded.data`

	deleteRow = `DELETE FROM mallee_rows WHERE partition_id = $1 AND key2 = $2 AND key2_sum = $3`

	updatePartitions = `
		UPDATE mallee_partitions SET
			epoch = ($2::bigint[])[array_position($1::uuid[], id)],
			last_version = ($3::bigint[])[array_position($1::uuid[], id)]
		WHERE id = ANY ($1::uuid[])`
)

// read locks the partitions, and reads what they remember and the versions of
// the rows.
func (g *group) read(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	b.Queue(begin)
	ids, tables, keys, tails := g.partitionColumns()
	b.Queue(createPartitions, ids, tables, keys, tails)
	found := 0
	b.Queue(lockPartitions, ids).Query(func(rows pgx.Rows) error {
		var h head
		_, err := pgx.ForEachRow(rows, []any{&h.id, &h.epoch, &h.last}, func() error {
			if i, ok := slices.BinarySearchFunc(g.partitions, h, byID); ok {
				g.partitions[i].epoch, g.partitions[i].last = h.epoch, h.last
				found++
			}
			return nil
		})
		return err
	})
	partitions, key2s, sums := g.rowColumns()
	b.Queue(readVersions, partitions, key2s, sums).Query(func(rows pgx.Rows) error {
		var n int
		var version *int64
		_, err := pgx.ForEachRow(rows, []any{&n, &version}, func() error {
			if version != nil {
				g.rows[n-1].found(*version)
			}
			return nil
		})
		return err
	})
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if found != len(ids) {
		return fmt.Errorf("of %d partitions %d have vanished: something else writes into the tables", len(ids), len(ids)-found)
	}
	return nil
}

// commit writes what was decided.
func (g *group) commit(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	if p := g.puts(); len(p.ids) > 0 {
		b.Queue(putRows, p.ids, p.key2s, p.tails, p.sums, p.versions, p.epochs, p.encodings, p.documents, p.data)
	}
	for i := range g.rows {
		if row := &g.rows[i]; row.write != nil && row.write.Delete {
			b.Queue(deleteRow, g.partitions[row.head].id, row.key2, row.sum)
		}
	}
	b.Queue(updatePartitions, g.headColumns()...)
	outcome := ""
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		outcome = tag.String()
		return nil
	})
	err := c.SendBatch(ctx, b).Close()
	switch {
	case outcome == "COMMIT": // whatever happened to the connection after it
		return nil
	case err != nil:
		return err
	}
	return errors.New("the server has answered COMMIT with " + outcome)
}
