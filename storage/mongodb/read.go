package mongodb

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/mallee-io/mallee/storage"
)

func (s *store) Get(ctx context.Context, key storage.Key) (storage.Row, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return storage.Row{}, err
	}
	defer leave()
	raw, err := s.rows(key.Table).FindOne(ctx, bson.D{{Key: "_id", Value: pairID(key.Key1, key.Key2)}}).Raw()
	if err != nil && err != mongo.ErrNoDocuments {
		return storage.Row{}, s.failed(ctx, "read "+key.String(), err)
	}
	if err == nil {
		row, deleted, err := decodeRow(key.Table, raw)
		if err != nil || !deleted {
			return row, err
		}
	}
	return storage.Row{}, fmt.Errorf("%s: %w", key, storage.ErrNotFound)
}

func (s *store) List(ctx context.Context, r storage.Range) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		lower, upper := bounds(&r)
		s.read(ctx, r.Table, lower, upper, r.Limit, yield)
	}
}

// Scan finds the tables in the order of their names by their heads: each row
// has one.
func (s *store) Scan(ctx context.Context, from storage.Key) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		next := pairID(from.Table, "")
		for {
			table, err := s.tableFrom(ctx, next)
			if err != nil {
				yield(storage.Row{}, err)
				return
			}
			if table == "" {
				return
			}
			lower := ""
			if table == from.Table {
				lower = pairID(from.Key1, from.Key2)
			}
			if !s.read(ctx, table, lower, "", 0, yield) {
				return
			}
			next = afterPairs(table)
		}
	}
}

// tableFrom is the table of the first head at or after an _id, or empty.
func (s *store) tableFrom(ctx context.Context, id string) (string, error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	o := options.FindOne().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.D{{Key: "table", Value: 1}})
	raw, err := s.heads().FindOne(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: id}}}}, o).Raw()
	if err == mongo.ErrNoDocuments {
		return "", nil
	}
	if err != nil {
		return "", s.failed(ctx, "look for tables", err)
	}
	f := fields{raw: raw}
	found, table := f.text("_id"), f.text("table")
	if f.err == nil && (table == "" || !strings.HasPrefix(found, pairID(table, ""))) {
		f.err = fmt.Errorf("its _id is not that of table %q", table)
	}
	if f.err != nil {
		return "", damagedHead(raw, f.err)
	}
	return table, nil
}

// pageLength is how many rows are asked for at once. A server cuts it short
// after 16 MiB.
const pageLength = 100

// read yields the rows of a table from one _id to before another one, if that
// is not empty; at most limit unless that is 0. It reports whether to go on.
func (s *store) read(ctx context.Context, table, lower, upper string, limit int, yield func(storage.Row, error) bool) bool {
	least := "$gte"
	for n := 0; ; least = "$gt" {
		length := pageLength
		if limit > 0 {
			length = min(length, limit-n)
		}
		p, err := s.page(ctx, table, least, lower, upper, length)
		if err != nil {
			yield(storage.Row{}, err)
			return false
		}
		for _, row := range p.rows {
			if err := ctx.Err(); err != nil {
				yield(storage.Row{}, err)
				return false
			}
			if !yield(row, nil) {
				return false
			}
		}
		if n += len(p.rows); !p.more || n == limit && limit > 0 {
			return true
		}
		lower = p.last
	}
}

type page struct {
	rows []storage.Row
	last string // _id of the last row
	more bool   // there may be rows after it
}

// page reads some rows. It is one answer of the server and holds nothing
// there: the reader may take its time until it asks for the next one.
func (s *store) page(ctx context.Context, table, least, lower, upper string, length int) (p page, err error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return page{}, err
	}
	defer leave()
	between := bson.D{{Key: least, Value: lower}}
	if upper != "" {
		between = append(between, bson.E{Key: "$lt", Value: upper})
	}
	condition := bson.D{{Key: "_id", Value: between}, {Key: "deleted", Value: bson.D{{Key: "$ne", Value: true}}}}
	o := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(length)).SetBatchSize(int32(length))
	cursor, err := s.rows(table).Find(ctx, condition, o)
	if err != nil {
		return page{}, s.failed(ctx, "read rows of "+table, err)
	}
	defer cursor.Close(ctx) //nolint:errcheck // it is of no use any more, and the server forgets it
	for cursor.RemainingBatchLength() > 0 && cursor.Next(ctx) {
		row, _, err := decodeRow(table, cursor.Current)
		if err != nil {
			return page{}, err
		}
		p.rows = append(p.rows, row)
		p.last = pairID(row.Key.Key1, row.Key.Key2)
	}
	p.more = len(p.rows) == length || cursor.ID() != 0
	return p, s.failed(ctx, "read rows of "+table, cursor.Err())
}
