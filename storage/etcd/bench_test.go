package etcd_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// BenchmarkAppend appends rows for actors side by side, as journals do, beside
// a client that puts the same bytes without any condition. Its server is in
// the same process.
func BenchmarkAppend(b *testing.B) {
	event := []byte(`{"kind":"deposited","amount":100}`)
	for _, actors := range []int{1, 64} {
		b.Run(fmt.Sprint("mallee/actors=", actors), func(b *testing.B) {
			s, err := etcd.Open(b.Context(), etcd.Config{Endpoints: etcdtest.Start(b).Endpoints()})
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
		b.Run(fmt.Sprint("client/actors=", actors), func(b *testing.B) {
			client := bare(b, etcdtest.Start(b))
			sideBySide(b, actors, func(actor, i int) error {
				_, err := client.Put(b.Context(), fmt.Sprintf("journal/account%d/%016x", actor, i), string(event))
				return err
			})
		})
	}
}

func sideBySide(b *testing.B, actors int, step func(actor, i int) error) {
	b.ReportAllocs()
	b.ResetTimer()
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
	b.StopTimer() // not for the end of the server
}
