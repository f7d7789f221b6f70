package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mallee-io/mallee/storage"
)

// Line is a row as a line of JSON. Versions are the store's own and stay there.
type Line struct {
	Table string          `json:"table"`
	Key1  string          `json:"key1"`
	Key2  string          `json:"key2,omitempty"`
	Epoch uint64          `json:"epoch"`
	Value json.RawMessage `json:"value,omitempty"` // of a row whose value is JSON
	Bytes *[]byte         `json:"bytes,omitempty"` // of any other, in base64
}

// MaxLine bounds a line that is read, in bytes.
const MaxLine = 64 << 20

// LineOf makes the line of a row.
func LineOf(row storage.Row) Line {
	l := Line{Table: row.Key.Table, Key1: row.Key.Key1, Key2: row.Key.Key2, Epoch: row.Epoch}
	if row.Encoding == storage.JSON {
		l.Value = row.Value
	} else {
		l.Bytes = &row.Value
	}
	return l
}

// WriteLines writes rows as lines of JSON. Progress may be nil.
func WriteLines(w io.Writer, rows Rows, progress func(rows int64)) (n int64, err error) {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for row, err := range rows {
		if err == nil {
			err = encoder.Encode(LineOf(row))
		}
		if err != nil {
			return n, errors.Join(err, out.Flush())
		}
		if n++; progress != nil {
			progress(n)
		}
	}
	return n, out.Flush()
}

// ReadLines reads what WriteLines wrote. Empty lines are left out; an error
// names the line and ends the rows.
func ReadLines(r io.Reader) Rows {
	return func(yield func(storage.Row, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, MaxLine)
		number := 0
		for lines.Scan() {
			number++
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			row, err := parseLine(lines.Bytes())
			if err != nil {
				yield(storage.Row{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(storage.Row{}, fmt.Errorf("line %d: %w", number+1, err))
		}
	}
}

func parseLine(text []byte) (storage.Row, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var l Line
	if err := d.Decode(&l); err != nil {
		return storage.Row{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return storage.Row{}, errors.New("there is more than one value")
	}
	row := storage.Row{Key: storage.Key{Table: l.Table, Key1: l.Key1, Key2: l.Key2}, Epoch: l.Epoch}
	switch {
	case l.Value != nil && l.Bytes == nil:
		row.Value = l.Value
	case l.Bytes != nil && l.Value == nil:
		row.Value, row.Encoding = *l.Bytes, storage.Bytes
	default:
		return storage.Row{}, errors.New(`it needs either "value" or "bytes"`)
	}
	op := storage.Op{Key: row.Key, Value: row.Value, Encoding: row.Encoding}
	return row, storage.CheckBatch(row.Epoch, []storage.Op{op})
}
