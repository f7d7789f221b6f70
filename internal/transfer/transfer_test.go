package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/internal/transfer"
	"github.com/mallee-io/mallee/storage"
)

func apply(t rapid.TB, s storage.Store, epoch uint64, ops ...storage.Op) {
	t.Helper()
	if _, err := s.Apply(context.Background(), epoch, ops...); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(s storage.Store) transfer.Rows {
	return transfer.Select(context.Background(), s, storage.Key{}, nil)
}

// filled makes a store of several tables, of actors with many rows and with
// rows of changing epochs.
func filled(t rapid.TB, actors, rows int) storage.Store {
	t.Helper()
	s := storage.Memory()
	for a := range actors {
		for i := range rows {
			k := storage.Key{Table: fmt.Sprint("table", a%3), Key1: fmt.Sprint("actor\x00", a), Key2: fmt.Sprint(i)}
			if i%2 == 0 {
				apply(t, s, uint64(i/10), storage.Put(k, fmt.Appendf(nil, `{"n":%d}`, i), 0))
			} else {
				apply(t, s, uint64(i/10), storage.PutBytes(k, []byte{0xff, byte(i)}, 0))
			}
		}
	}
	return s
}

func mustBeSame(t rapid.TB, from, to transfer.Rows, want int64) {
	t.Helper()
	same, more, err := transfer.Verify(from, to, nil)
	if err != nil || same != want || more != 0 {
		t.Errorf("%d rows are the same, %d more, %v; want %d", same, more, err, want)
	}
}

func TestLinesRoundTrip(t *testing.T) {
	t.Parallel()
	from, to := filled(t, 7, 150), storage.Memory()
	var lines bytes.Buffer
	if n, err := transfer.WriteLines(&lines, rowsOf(from), nil); n != 7*150 || err != nil {
		t.Fatal(n, err)
	}
	for range 2 { // the second time all is there already
		w := &transfer.Writer{To: to}
		if err := w.Write(t.Context(), transfer.ReadLines(bytes.NewReader(lines.Bytes()))); err != nil {
			t.Fatal(err)
		}
		if n := w.Written.Load() + w.Same.Load(); n != 7*150 {
			t.Errorf("%d rows", n)
		}
	}
	mustBeSame(t, rowsOf(from), rowsOf(to), 7*150)
}

// dying is a store that fails for good after some writes, and one that takes
// no batch of more than some rows.
type dying struct {
	storage.Store
	left atomic.Int64
	most int
}

var errDead = errors.New("the store has died")

func (d *dying) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if len(ops) > d.most {
		return nil, storage.ErrTooLarge
	}
	if d.left.Add(-1) < 0 {
		return nil, errDead
	}
	return d.Store.Apply(ctx, epoch, ops...)
}

// A copy that dies again and again gets through at last, without reading or
// writing from the beginning each time.
func TestCopyGoesOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		actors, rows := rapid.IntRange(0, 400).Draw(r, "actors"), rapid.IntRange(1, 20).Draw(r, "rows")
		from, to := filled(r, actors, rows), storage.Memory()
		most := rapid.SampledFrom([]int{1, 7, 1000}).Draw(r, "most")
		total, last := int64(actors*rows), int64(0)
		for lives := 1; ; lives++ {
			d := &dying{Store: to, most: most}
			d.left.Store(rapid.Int64Range(3000, 8000).Draw(r, "writes until it dies"))
			w := &transfer.Writer{To: d}
			c := transfer.Copy{From: from, Writer: w, Name: "test"}
			before, err := c.Run(context.Background())
			if before < last {
				r.Fatalf("goes on after %d rows, before it was %d", before, last)
			}
			last = before
			if err == nil {
				if sum := before + w.Written.Load() + w.Same.Load(); sum != total {
					r.Errorf("%d rows of %d", sum, total)
				}
				break
			}
			if !errors.Is(err, errDead) || lives > 1000 {
				r.Fatal(err)
			}
		}
		mustBeSame(r, rowsOf(from), rowsOf(to), total)
		for row := range to.Scan(context.Background(), storage.Key{Table: "mallee"}) {
			if row.Key.Table == "mallee.copy" {
				r.Errorf("the mark was left behind: %v", row)
			}
		}
	})
}

func TestRowsThatAreThereAlready(t *testing.T) {
	t.Parallel()
	k := storage.Key{Table: "t", Key1: "a"}
	from, to := storage.Memory(), storage.Memory()
	apply(t, from, 1, storage.Put(k, []byte(`{"a":1,"b":[10]}`), 0))
	apply(t, to, 9, storage.Put(k, []byte(` {"b":[1e1],"a":1.0}`), 0))
	w := &transfer.Writer{To: to}
	if err := w.Write(t.Context(), rowsOf(from)); err != nil || w.Same.Load() != 1 {
		t.Fatalf("%d are the same, %v", w.Same.Load(), err)
	}
	k.Key2 = "x"
	apply(t, from, 1, storage.Put(k, []byte(`1`), 0))
	apply(t, to, 9, storage.Put(k, []byte(`2`), 0))
	err := w.Write(t.Context(), rowsOf(from))
	if err == nil || !strings.Contains(err.Error(), `t/"a"/"x" is there already, with another value`) {
		t.Fatalf("got %v", err)
	}
	if _, _, err := transfer.Verify(rowsOf(from), rowsOf(to), nil); err == nil || !strings.Contains(err.Error(), "another value") {
		t.Fatalf("verify: %v", err)
	}
	w = &transfer.Writer{To: to, Replace: true}
	if err := w.Write(t.Context(), rowsOf(from)); err != nil || w.Replaced.Load() != 1 {
		t.Fatalf("%d replaced, %v", w.Replaced.Load(), err)
	}
	mustBeSame(t, rowsOf(from), rowsOf(to), 2)
	apply(t, from, 1, storage.Put(storage.Key{Table: "t", Key1: "b"}, []byte(`1`), 0))
	apply(t, to, 1, storage.Put(storage.Key{Table: "t", Key1: "a0"}, []byte(`1`), 0))
	if _, _, err := transfer.Verify(rowsOf(from), rowsOf(to), nil); err == nil || !strings.Contains(err.Error(), `t/"b" is missing`) {
		t.Errorf("verify: %v", err)
	}
}

func TestLinesThatAreWrong(t *testing.T) {
	t.Parallel()
	good := `{"table":"t","key1":"a","epoch":1,"value":null}` + "\n"
	for line, want := range map[string]string{
		`{"table":"t","key1":"a","epoch":1}`:                          `line 3: it needs either "value" or "bytes"`,
		`{"table":"t","key1":"a","epoch":1,"value":1,"bytes":"YQ=="}`: `line 3: it needs either`,
		`{"table":"t","key1":"a","epoch":1,"bytes":"?"}`:              "line 3: illegal base64",
		`{"table":"t","key1":"a","epoch":-1,"value":1}`:               "line 3: json",
		`{"table":"t","key1":"","epoch":1,"value":1}`:                 "has no table or no key1",
		`{"table":"t","key1":"a","epoch":1,"value":1,"other":1}`:      `unknown field "other"`,
		`{"table":"t","key1":"a","epoch":1,"value":1} 2`:              "more than one value",
		`{"table":`: "line 3: unexpected EOF",
		`x`:         "line 3: invalid character",
	} {
		n := 0
		var last error
		for _, err := range transfer.ReadLines(strings.NewReader(good + "\n" + line + "\n" + good)) {
			if last = err; err == nil {
				n++
			}
		}
		if n != 1 || last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%s: %d rows, %v, want %s", line, n, last, want)
		}
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte(`{"table":"t","key1":"a","epoch":1,"value":{"a":1}}`))
	f.Add([]byte(`{"table":"t","key1":"a","key2":"b","epoch":1,"bytes":"YQ=="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var rows []storage.Row
		for row, err := range transfer.ReadLines(bytes.NewReader(text)) {
			if err != nil {
				return
			}
			rows = append(rows, row)
		}
		var again bytes.Buffer
		n, err := transfer.WriteLines(&again, func(yield func(storage.Row, error) bool) {
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
		}, nil)
		if err != nil || n != int64(len(rows)) {
			t.Fatal(n, err)
		}
		i := 0
		for row, err := range transfer.ReadLines(&again) {
			if err != nil || !transfer.Same(row, rows[i]) || row.Epoch != rows[i].Epoch {
				t.Fatalf("row %d: %+v, %v, was %+v", i, row, err, rows[i])
			}
			i++
		}
	})
}
