package postgres_test

import (
	"errors"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

func TestDamagedRows(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"version 0":       `UPDATE mallee_rows SET version = 0`,
		"version -1":      `UPDATE mallee_rows SET version = -1`,
		"epoch -1":        `UPDATE mallee_rows SET epoch = -1`,
		"encoding 7":      `UPDATE mallee_rows SET encoding = 7`,
		"no value":        `UPDATE mallee_rows SET document = NULL`,
		"two values":      `UPDATE mallee_rows SET data = '1'`,
		"foreign version": `UPDATE mallee_partitions SET last_version = 0`,
		"partition":       `UPDATE mallee_partitions SET epoch = -1`,
		"partition's id":  `UPDATE mallee_partitions SET key1 = 'x'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := fresh(t, server(t))
			s := open(t, url)
			k := storage.Key{Table: "t", Key1: "a", Key2: "b"}
			versions, err := s.Apply(t.Context(), 1, storage.Put(k, []byte("1"), 0))
			if err != nil {
				t.Fatal(err)
			}
			exec(t, connect(t, url), damage)
			var found []error
			_, err = s.Get(t.Context(), k)
			found = append(found, err)
			for _, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
				found = append(found, err)
			}
			for _, err := range s.Scan(t.Context(), storage.Key{}) {
				found = append(found, err)
			}
			_, err = s.Apply(t.Context(), 1, storage.Put(k, []byte("2"), versions[0]))
			if found = append(found, err); len(found) != 4 {
				t.Fatalf("%d answers", len(found))
			}
			reported := false
			for _, err := range found {
				if err != nil {
					reported = true
					wantError(t, err, "damaged")
				}
				if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrUnavailable) {
					t.Error(err)
				}
			}
			if !reported {
				t.Error("nothing reports it")
			}
		})
	}
}
