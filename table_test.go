package mallee_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

type line struct {
	Number int64
	Text   string
}

func (l *line) Key2() int64 { return l.Number }

type ledger struct {
	self  *mallee.Self
	lines *mallee.Table[line, int64]
	words *mallee.Table[string, string]
}

func newLedger(self *mallee.Self) *ledger {
	return &ledger{
		self:  self,
		lines: mallee.NewTable(self, "lines", (*line).Key2),
		words: mallee.NewTable(self, "words", func(s *string) string { return *s }),
	}
}

// A table is a sorted map, whatever is done to it and however often its actor
// starts anew.
func TestTableProperty(t *testing.T) {
	t.Parallel()
	numbers := rapid.OneOf(rapid.Int64Range(-4, 4), rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, -1000, 1000, math.MaxInt64}))
	rapid.Check(t, func(r *rapid.T) {
		run := probe(t, storage.Memory(), newLedger)
		model := map[int64]line{}
		sorted := func(from, to int64, all bool) (lines []line) {
			for n, l := range model {
				if all || n >= from && n < to {
					lines = append(lines, l)
				}
			}
			slices.SortFunc(lines, func(a, b line) int {
				if a.Number < b.Number {
					return -1
				}
				return 1
			})
			return lines
		}
		step := func(code func(ctx context.Context, l *ledger) error) {
			if err := run(code); err != nil {
				r.Fatal(err)
			}
		}
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				lines := rapid.SliceOfNDistinct(rapid.Custom(func(r *rapid.T) line {
					return line{numbers.Draw(r, "number"), rapid.String().Draw(r, "text")}
				}), 0, 4, func(l line) int64 { return l.Number }).Draw(r, "lines")
				step(func(ctx context.Context, l *ledger) error { return l.lines.Put(ctx, lines...) })
				for _, l := range lines {
					model[l.Number] = l
				}
			},
			"delete": func(r *rapid.T) {
				keys := rapid.SliceOfNDistinct(numbers, 0, 3, rapid.ID).Draw(r, "keys")
				step(func(ctx context.Context, l *ledger) error { return l.lines.Delete(ctx, keys...) })
				for _, key := range keys {
					delete(model, key)
				}
			},
			"get": func(r *rapid.T) {
				key := numbers.Draw(r, "key")
				step(func(ctx context.Context, l *ledger) error {
					got, err := l.lines.Get(ctx, key)
					if want, ok := model[key]; got != want || ok != (err == nil) || !ok && !errors.Is(err, mallee.ErrNotFound) {
						r.Errorf("%d is %v, %v; want %v", key, got, err, want)
					}
					return nil
				})
			},
			"restart": func(*rapid.T) {
				step(func(_ context.Context, l *ledger) error { l.self.DeactivateNow(); return nil })
			},
			"": func(r *rapid.T) {
				from, to := numbers.Draw(r, "from"), numbers.Draw(r, "to")
				step(func(ctx context.Context, l *ledger) error {
					for _, all := range []bool{true, false} {
						lines := l.lines.Range(ctx, from, to)
						if all {
							lines = l.lines.List(ctx)
						}
						var got []line
						for l, err := range lines {
							if err != nil {
								return err
							}
							got = append(got, l)
						}
						if want := sorted(from, to, all); !slices.Equal(got, want) {
							r.Errorf("%d to %d: %v, want %v", from, to, got, want)
						}
					}
					return nil
				})
			},
		})
	})
}

func TestTableTextKeysAndErrors(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	run := probe(t, store, newLedger)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(run(func(ctx context.Context, l *ledger) error { return l.words.Put(ctx, "b", "a", "ab") }))
	must(run(func(ctx context.Context, l *ledger) error {
		var got []string
		for word, err := range l.words.Range(ctx, "a", "b") {
			if err != nil {
				return err
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != "a ab" {
			t.Errorf("got %v", got)
		}
		return nil
	}))
	at := storage.Key{Table: "table.Probe.lines", Key1: "a", Key2: "0000000000000000007"}
	must(func() error {
		_, err := store.Apply(t.Context(), 0, storage.Put(at, []byte(`{"Number":"seven"}`), 0))
		return err
	}())
	must(run(func(ctx context.Context, l *ledger) error {
		if _, err := l.lines.Get(ctx, 7); !errors.Is(err, mallee.ErrStorage) || !strings.Contains(err.Error(), "0000000000000000007") || !strings.Contains(err.Error(), "Number") {
			t.Errorf("an unreadable record: %v", err)
		}
		for got, err := range l.lines.List(ctx) {
			if err == nil {
				t.Errorf("an unreadable record is listed as %v", got)
			}
		}
		return nil
	}))
	if err := run(func(ctx context.Context, l *ledger) error {
		return l.words.Put(ctx, strings.Repeat("x", storage.MaxKeyLength+1))
	}); !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
		t.Errorf("a key that is too long: %v", err)
	}
	// A record that somebody else has changed meanwhile is not overwritten.
	must(run(func(ctx context.Context, l *ledger) error { return l.lines.Put(ctx, line{1, "mine"}) }))
	at.Key2 = "0000000000000000001"
	row, err := store.Get(t.Context(), at)
	must(err)
	_, err = store.Apply(t.Context(), row.Epoch, storage.Put(at, []byte(`{"Number":1,"Text":"theirs"}`), row.Version))
	must(err)
	if err := run(func(ctx context.Context, l *ledger) error { return l.lines.Put(ctx, line{1, "mine again"}) }); !errors.Is(err, mallee.ErrConflict) {
		t.Errorf("got %v", err)
	}
}
