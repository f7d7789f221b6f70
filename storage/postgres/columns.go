package postgres

import "github.com/jackc/pgx/v5/pgtype"

// partitionColumns are the partitions as arrays, in the order of their ids.
func (g *group) partitionColumns() (ids []pgtype.UUID, tables, keys, tails [][]byte) {
	for i := range g.partitions {
		p := &g.partitions[i]
		ids, tables, keys, tails = append(ids, p.id), append(tables, p.table), append(keys, p.key1), append(tails, p.tail)
	}
	return ids, tables, keys, tails
}

// headColumns are the partitions that were written: ids, epochs and versions.
func (g *group) headColumns() []any {
	var ids []pgtype.UUID
	var epochs, lasts []int64
	for i := range g.partitions {
		if h := &g.partitions[i]; h.written {
			ids, epochs, lasts = append(ids, h.id), append(epochs, h.epoch), append(lasts, h.last)
		}
	}
	return []any{ids, epochs, lasts}
}

// rowColumns are the keys of the rows.
func (g *group) rowColumns() (ids []pgtype.UUID, key2s, sums [][]byte) {
	for i := range g.rows {
		row := &g.rows[i]
		ids, key2s, sums = append(ids, g.partitions[row.head].id), append(key2s, row.key2), append(sums, row.sum)
	}
	return ids, key2s, sums
}

// puts are the rows to be put.
type puts struct {
	ids                []pgtype.UUID
	key2s, tails, sums [][]byte
	versions, epochs   []int64
	encodings          []int16
	documents          []pgtype.Text
	data               [][]byte
}

func (g *group) puts() (p puts) {
	for i := range g.rows {
		row := &g.rows[i]
		if row.write == nil || row.write.Delete {
			continue
		}
		p.ids = append(p.ids, g.partitions[row.head].id)
		p.key2s, p.tails, p.sums = append(p.key2s, row.key2), append(p.tails, row.tail), append(p.sums, row.sum)
		p.versions, p.epochs = append(p.versions, row.version), append(p.epochs, int64(row.epoch))
		p.encodings = append(p.encodings, int16(row.write.Encoding))
		document, data := row.write.cells(g.plain)
		p.documents, p.data = append(p.documents, document), append(p.data, data)
	}
	return p
}

// cells are a value as it goes into its two columns, of which one is NULL.
func (o *op) cells(plain bool) (document pgtype.Text, data []byte) {
	if o.document != "" && !plain {
		return pgtype.Text{String: o.document, Valid: true}, nil
	}
	if o.document != "" {
		return pgtype.Text{}, []byte(o.document)
	}
	return pgtype.Text{}, o.data
}
