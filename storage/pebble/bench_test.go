package pebble_test

import (
	"fmt"
	"sync"
	"testing"

	engine "github.com/cockroachdb/pebble/v2"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

var event = []byte(`{"kind":"deposited","amount":100}`)

// BenchmarkAppend appends rows for actors side by side, as journals do, beside
// what the engine itself does for the same bytes.
func BenchmarkAppend(b *testing.B) {
	for _, actors := range []int{1, 64} {
		b.Run(fmt.Sprint("mallee/actors=", actors), func(b *testing.B) {
			s, err := pebble.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			sideBySide(b, actors, func(actor, i int) error {
				k := storage.Key{Table: "journal", Key1: fmt.Sprint("account", actor), Key2: fmt.Sprintf("%016x", i)}
				_, err := s.Apply(b.Context(), 1, storage.Put(k, event, 0))
				return err
			})
		})
		b.Run(fmt.Sprint("engine/actors=", actors), func(b *testing.B) {
			db, err := engine.Open(b.TempDir(), &engine.Options{FormatMajorVersion: engine.FormatNewest, Logger: quiet{}})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			sideBySide(b, actors, func(actor, i int) error {
				return db.Set(fmt.Appendf(nil, "journal/account%d/%016x", actor, i), event, engine.Sync)
			})
		})
	}
}

// quiet keeps the engine's messages out of the figures.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

func sideBySide(b *testing.B, actors int, step func(actor, i int) error) {
	b.ReportAllocs()
	var wg sync.WaitGroup
	for actor := range actors {
		wg.Go(func() {
			for i := range b.N / actors {
				if err := step(actor, i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
