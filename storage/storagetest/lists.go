package storagetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/storage"
)

// Scan meets every row of the store once, in order, from any key on.
func testScan(t *testing.T, p Place) {
	s := open(t, p)
	if rows := collect(t, s.Scan(t.Context(), storage.Key{})); len(rows) != 0 {
		t.Fatalf("an empty store has %d rows", len(rows))
	}
	var all []storage.Row
	for _, table := range []string{"a", "a.b", "a_b", "b", "state.Player"} {
		for _, key1 := range []string{"1", "1\x00", "1/2", "2", "日本", longKey} {
			for i, key2 := range []string{"", "\x00", "x", "y", longKey} {
				k, epoch := storage.Key{Table: table, Key1: key1, Key2: key2}, uint64(i+1)
				all = append(all, storage.Row{Key: k, Value: []byte("1"), Encoding: storage.Bytes, Version: mustApply(t, s, epoch, storage.PutBytes(k, []byte("1"), 0))[0], Epoch: epoch})
			}
		}
	}
	slices.SortFunc(all, func(a, b storage.Row) int { return a.Key.Compare(b.Key) })
	for from := 0; from <= len(all); from += 7 {
		var at storage.Key
		if from > 0 {
			at = all[from-1].Key
			at.Key2 += "\x00" // just after it
			if len(at.Key2) > storage.MaxKeyLength {
				continue
			}
			if from < len(all) && at == all[from].Key {
				at.Key2 = all[from].Key.Key2
			}
		}
		rows := collect(t, s.Scan(t.Context(), at))
		if !reflect.DeepEqual(rows, all[from:]) {
			t.Fatalf("from %.40s: %d rows, want %d, or they are not the same", at, len(rows), len(all)-from)
		}
	}
	if rows := collect(t, s.Scan(t.Context(), storage.Key{Table: "a\x00"})); rows[0].Key.Table != "a.b" {
		t.Errorf("after table a comes %s", rows[0].Key.Table)
	}
	for _, err := range s.Scan(t.Context(), storage.Key{}) {
		if err != nil {
			t.Fatal(err)
		}
		break // ends the iteration and frees what it holds
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, last := 0, error(nil)
	for _, err := range s.Scan(ctx, storage.Key{}) {
		if n, last = n+1, err; n == 3 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) && n < len(all) {
		t.Errorf("a cancelled scan ended after %d rows with %v", n, last)
	}
	cancel()
}

func collect(t *testing.T, rows iter.Seq2[storage.Row, error]) (all []storage.Row) {
	t.Helper()
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	return all
}

func list(t *testing.T, s storage.Store, r storage.Range) []storage.Row {
	t.Helper()
	return collect(t, s.List(t.Context(), r))
}

func testList(t *testing.T, p Place) {
	s := open(t, p)
	var all []string
	for i := range 500 {
		key2 := fmt.Sprintf("%03d", (i*7)%500)
		mustApply(t, s, 1, storage.PutBytes(key("a", key2), []byte(key2), 0))
		all = append(all, fmt.Sprintf("%03d", i))
	}
	mustApply(t, s, 1, storage.Put(key("a0", "000"), []byte("0"), 0)) // neighbours
	mustApply(t, s, 1, storage.Put(storage.Key{Table: "storagetes", Key1: "ta", Key2: "000"}, []byte("0"), 0))
	for name, c := range map[string]struct {
		r    storage.Range
		want []string
	}{
		"all":            {storage.Range{}, all},
		"limit":          {storage.Range{Limit: 3}, all[:3]},
		"from":           {storage.Range{From: "490"}, all[490:]},
		"from between":   {storage.Range{From: "4899"}, all[490:]},
		"to":             {storage.Range{To: "005"}, all[:5]},
		"range":          {storage.Range{From: "100", To: "110"}, all[100:110]},
		"prefix":         {storage.Range{Prefix: "04"}, all[40:50]},
		"prefix, from":   {storage.Range{Prefix: "04", From: "045"}, all[45:50]},
		"prefix, to":     {storage.Range{Prefix: "04", To: "045", Limit: 2}, all[40:42]},
		"nothing":        {storage.Range{Prefix: "x"}, nil},
		"upside down":    {storage.Range{From: "200", To: "100"}, nil},
		"outside prefix": {storage.Range{Prefix: "04", From: "1"}, nil},
	} {
		c.r.Table, c.r.Key1 = "storagetest", "a"
		var got []string
		for _, row := range list(t, s, c.r) {
			if row.Key != key("a", string(row.Value)) || row.Version == 0 || row.Epoch != 1 {
				t.Fatalf("%s: row %+v", name, row)
			}
			got = append(got, row.Key.Key2)
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	n := 0
	for _, err := range s.List(t.Context(), storage.Range{Table: "storagetest", Key1: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break // ends the iteration and frees what it holds
		}
	}
}

// Rows that are there all the time are listed once each, in order, whatever
// happens around them.
func testListWhileWriting(t *testing.T, p Place) {
	s := open(t, p)
	const kept = 300
	for i := range kept {
		mustApply(t, s, 1, storage.Put(key("a", fmt.Sprintf("%04d", 2*i)), []byte("0"), 0))
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			k := key("a", fmt.Sprintf("%04d", 2*(i%kept)+1))
			versions, err := s.Apply(t.Context(), 1, storage.Put(k, []byte("0"), 0))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Apply(t.Context(), 1, storage.Delete(k, versions[0])); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20 {
		last, found := "", 0
		for _, row := range list(t, s, storage.Range{Table: "storagetest", Key1: "a"}) {
			if row.Key.Key2 <= last {
				t.Errorf("%q after %q", row.Key.Key2, last)
			}
			last = row.Key.Key2
			if (last[3]-'0')%2 == 0 {
				found++
			}
		}
		if found != kept {
			t.Errorf("%d of %d rows were listed", found, kept)
		}
	}
	stop()
	writer.Wait()
}
