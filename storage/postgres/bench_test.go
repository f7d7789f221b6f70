package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

var event = []byte(`{"kind":"deposited","amount":100,"by":"transfer 7/1234567"}`)

// BenchmarkAppend appends rows for actors side by side, as journals do, beside
// one client that does a transaction for each row.
func BenchmarkAppend(b *testing.B) {
	s := postgrestest.Start(b)
	for _, actors := range []int{1, 64} {
		b.Run(fmt.Sprint("mallee/actors=", actors), func(b *testing.B) {
			store := open(b, fresh(b, s.URL()))
			apply := func(actor, i int) error {
				k := storage.Key{Table: "journal", Key1: fmt.Sprint("account", actor), Key2: fmt.Sprintf("%016x", i)}
				_, err := store.Apply(b.Context(), 1, storage.Put(k, event, 0))
				return err
			}
			b.ResetTimer()
			sideBySide(b, actors, apply)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	b.Run("one-row-transactions", func(b *testing.B) {
		c := connect(b, fresh(b, s.URL()))
		exec(b, c, `CREATE TABLE plain (id bigint PRIMARY KEY, document jsonb)`)
		b.ResetTimer()
		for i := range b.N {
			exec(b, c, `BEGIN`)
			exec(b, c, `INSERT INTO plain VALUES ($1, $2)`, i, string(event))
			exec(b, c, `COMMIT`)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

func sideBySide(b *testing.B, actors int, step func(actor, i int) error) {
	b.ReportAllocs()
	var wg sync.WaitGroup
	for actor := range actors {
		wg.Go(func() {
			for i := actor; i < b.N; i += actors {
				if err := step(actor, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
