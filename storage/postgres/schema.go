package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// format is the version of the tables that this code reads and writes.
const format = 1

// steps leads from each version of the tables to the next one; 0 is none.
//
// Keys are bytea, because text cannot hold all of them and is ordered by
// language. What goes into an index is bounded: a long key is cut in two, see
// split.
func steps() [format][]string {
	return [format][]string{{
		`CREATE TABLE mallee_partitions (
			id           uuid   NOT NULL PRIMARY KEY,
			table_name   bytea  NOT NULL,
			key1         bytea  NOT NULL,
			key1_tail    bytea  NOT NULL,
			epoch        bigint NOT NULL,
			last_version bigint NOT NULL
		)`,
		`CREATE INDEX mallee_partitions_key ON mallee_partitions (table_name ASC, key1 ASC)`,
		`CREATE TABLE mallee_rows (
			partition_id uuid     NOT NULL,
			key2         bytea    NOT NULL,
			key2_tail    bytea    NOT NULL,
			key2_sum     bytea    NOT NULL,
			version      bigint   NOT NULL,
			epoch        bigint   NOT NULL,
			encoding     smallint NOT NULL,
			document     jsonb,
			data         bytea,
			PRIMARY KEY (partition_id, key2, key2_sum)
		)`,
	}}
}

// migrate makes the tables or brings them up to date. Of processes that do so
// at the same time one wins; the others find it done when they try again.
func (s *store) migrate(ctx context.Context) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		err := s.do(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
			version, err := readFormat(ctx, c)
			if err != nil || version == format {
				return err
			}
			return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return climb(ctx, tx, version) })
		})
		if err == nil {
			return nil
		}
		if raced := code(err) == uniqueViolation || code(err) == duplicateTable; !raced || attempt == attempts {
			return fmt.Errorf("open store: %w", err)
		}
	}
}

// readFormat is the version of the tables, 0 where there are none.
func readFormat(ctx context.Context, c *pgxpool.Conn) (int, error) {
	var rows, version int
	err := c.QueryRow(ctx, `SELECT count(*), coalesce(max(version), 0) FROM mallee_format`).Scan(&rows, &version)
	switch {
	case code(err) == undefinedTable:
		return 0, nil
	case err != nil:
		return 0, err
	case rows != 1 || version < 1:
		return 0, errors.New("the table mallee_format does not hold one version: it is damaged; restore it from a backup")
	case version > format:
		return 0, fmt.Errorf("its tables are of version %d, this version of mallee knows %d; use the version that wrote them or a newer one", version, format)
	}
	return version, nil
}

func climb(ctx context.Context, tx pgx.Tx, from int) error {
	var statements []string
	if from == 0 {
		statements = append(statements, `CREATE TABLE mallee_format (version int NOT NULL PRIMARY KEY)`, `INSERT INTO mallee_format VALUES (0)`)
	}
	// What comes first is what other processes wait for.
	statements = append(statements, fmt.Sprintf(`UPDATE mallee_format SET version = %d`, format))
	all := steps()
	for _, step := range all[from:] {
		statements = append(statements, step...)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
