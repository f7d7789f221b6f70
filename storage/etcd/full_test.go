package etcd_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// Writers side by side use up the quota. A server says "no space" also of a
// write that it has done, so each refused row is looked for.
func TestFull(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, func(c *embed.Config) { c.QuotaBackendBytes = 8 << 20 })
	config := etcd.Config{Endpoints: server.Endpoints()}
	s := open(t, config)
	value := make([]byte, 32<<10)
	const writers = 16
	var wg sync.WaitGroup
	var versions [writers][]uint64 // of acknowledged rows
	row := func(w, i int) storage.Key {
		return storage.Key{Table: "t", Key1: fmt.Sprint(w), Key2: fmt.Sprintf("%05d", i)}
	}
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				now, err := s.Apply(t.Context(), 1, storage.PutBytes(row(w, i), value, 0))
				if err == nil {
					versions[w] = append(versions[w], now...)
					continue
				}
				_, found := s.Get(t.Context(), row(w, i))
				switch {
				case errors.Is(err, storage.ErrFull) && !errors.Is(found, storage.ErrNotFound):
					t.Errorf("a row that was refused with %q is there: %v", err, found)
				case !errors.Is(err, storage.ErrFull) && !errors.Is(err, storage.ErrUnavailable):
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	_, err := s.Apply(t.Context(), 1, storage.PutBytes(storage.Key{Table: "t", Key1: "more"}, value, 0))
	wantError(t, err, "used up its quota", "--quota-backend-bytes", server.Endpoints()[0])
	if !errors.Is(err, storage.ErrFull) || !storage.WasRefused(err) {
		t.Errorf("%v is no ErrFull", err)
	}

	s = open(t, config) // a full store can be opened, and read
	for w := range writers {
		n, want := 0, len(versions[w])
		for _, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: fmt.Sprint(w)}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n < want || n > want+1 {
			t.Errorf("writer %d: %d rows are there, %d were acknowledged", w, n, want)
		}
	}

	// The mend that the error names: delete what is not needed, then make
	// space of it.
	for w := range writers {
		for i, version := range versions[w] {
			apply(t, s, storage.Delete(row(w, i), version))
		}
	}
	client := bare(t, server)
	now, err := client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Defragment(t.Context(), server.Endpoints()[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AlarmDisarm(t.Context(), &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, storage.PutBytes(storage.Key{Table: "t", Key1: "more"}, value, 0))
}

// Reading goes on where old revisions have been compacted.
func TestCompactionWhileListing(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	s, client := open(t, etcd.Config{Endpoints: server.Endpoints()}), bare(t, server)
	const rows = 100 // more than a page
	key := func(i int) storage.Key { return storage.Key{Table: "t", Key1: "a", Key2: fmt.Sprintf("%05d", i)} }
	versions := make([]uint64, rows)
	for i := range rows {
		versions[i] = apply(t, s, storage.Put(key(i), []byte("0"), 0))[0]
	}
	n := 0
	for row, err := range s.List(t.Context(), storage.Range{Table: "t", Key1: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Key != key(n) {
			t.Fatalf("row %d is %s", n, row.Key)
		}
		last := rows - 1 - n%2
		versions[last] = apply(t, s, storage.Put(key(last), []byte("1"), versions[last]))[0]
		if _, err := client.Compact(t.Context(), int64(versions[last])); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != rows {
		t.Errorf("%d rows, want %d", n, rows)
	}
}
