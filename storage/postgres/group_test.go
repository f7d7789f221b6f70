package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mallee-io/mallee/storage"
)

// held is a store with one writer, whose transaction waits for the lock of an
// actor that another process holds.
type held struct {
	t     *testing.T
	store storage.Store
	url   string
	key   storage.Key // of the row that is being written
	other *pgx.Conn   // of the other process
	tx    pgx.Tx
}

func hold(t *testing.T, settings ...string) *held {
	url := fresh(t, server(t))
	h := &held{t: t, url: url, key: storage.Key{Table: "t", Key1: "held"}, other: connect(t, url)}
	mine := with(t, with(t, url, "pool_max_conns", "3"), "application_name", t.Name())
	for i := 0; i < len(settings); i += 2 {
		mine = with(t, mine, settings[i], settings[i+1])
	}
	h.store = open(t, mine)
	h.put(h.key, 0)
	var err error
	if h.tx, err = h.other.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.tx.Exec(t.Context(), `SELECT * FROM mallee_partitions FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	return h
}

// put writes the row from a version, and fails the test if that fails.
func (h *held) put(k storage.Key, version uint64) {
	h.t.Helper()
	if _, err := h.store.Apply(h.t.Context(), 1, storage.Put(k, []byte("1"), version)); err != nil {
		h.t.Error(err)
	}
}

// waiting returns when the writer waits for the lock.
func (h *held) waiting() {
	h.t.Helper()
	c := connect(h.t, h.url)
	for deadline := time.Now().Add(time.Minute); ; {
		var n int
		if err := c.QueryRow(h.t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`, h.t.Name()).Scan(&n); err != nil {
			h.t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatal("nobody waits for the lock")
		}
	}
}

func (h *held) release() {
	h.t.Helper()
	if err := h.tx.Rollback(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// Calls that come together share a transaction, and each has its own result.
func TestGroup(t *testing.T) {
	t.Parallel()
	h := hold(t)
	var wg sync.WaitGroup
	wg.Go(func() { h.put(h.key, 1) })
	h.waiting()
	const actors = 100
	row := func(actor int, key2 string) storage.Key {
		return storage.Key{Table: "t", Key1: fmt.Sprint(actor), Key2: key2}
	}
	for actor := range actors {
		wg.Go(func() { h.put(row(actor, "good"), 0) })
		wg.Go(func() {
			_, err := h.store.Apply(t.Context(), 1, storage.Put(row(actor, "bad"), []byte("1"), 5))
			var conflict *storage.ConflictError
			if !errors.As(err, &conflict) || conflict.Have != 0 || conflict.Want != 5 {
				t.Error(err)
			}
		})
		wg.Go(func() {
			k := row(actor, "in turn")
			first, err := h.store.Apply(t.Context(), 1, storage.Put(k, []byte("1"), 0))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err = h.store.Apply(t.Context(), 1, storage.Delete(k, first[0])); err != nil {
				t.Error(err)
			}
		})
	}
	h.release()
	wg.Wait()
	var rows, transactions int
	err := connect(t, h.url).QueryRow(t.Context(), `SELECT count(*), count(DISTINCT xmin::text) FROM mallee_rows WHERE key2 = 'good'`).Scan(&rows, &transactions)
	if err != nil || rows != actors {
		t.Errorf("%d rows, want %d, %v", rows, actors, err)
	}
	t.Logf("%d rows were written in %d transactions", rows, transactions)
	for row, err := range h.store.Scan(t.Context(), storage.Key{}) {
		if err != nil || row.Key.Key2 == "bad" || row.Key.Key2 == "in turn" {
			t.Errorf("%+v, %v", row, err)
		}
	}
}

// A caller whose context ends is told whether its write waits or was begun.
func TestLeave(t *testing.T) {
	t.Parallel()
	h := hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	begun := func() {
		_, err := h.store.Apply(ctx, 1, storage.Put(h.key, []byte("2"), 1))
		wantError(t, err, "whether t/\"held\" was written is not known")
		if !errors.Is(err, context.Canceled) || storage.WasRefused(err) {
			t.Error(err)
		}
	}
	wg.Go(begun)
	h.waiting()
	queued := storage.Key{Table: "t", Key1: "queued"}
	timeout, cancelTimeout := context.WithTimeout(t.Context(), time.Millisecond)
	_, err := h.store.Apply(timeout, 1, storage.Put(queued, []byte("1"), 0))
	cancelTimeout()
	wantError(t, err, "t/\"queued\" was not written")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	cancel()
	wg.Wait()
	h.release()
	h.put(h.key, 2) // after the one that was begun
	if _, err := h.store.Get(t.Context(), queued); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("what was not written is there: %v", err)
	}
}

// A lock that another process does not give back keeps one actor waiting, and
// no others.
func TestLockOfAnother(t *testing.T) {
	t.Parallel()
	h := hold(t, "lock_timeout", "50")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := h.store.Apply(ctx, 1, storage.Put(h.key, []byte("2"), 1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	h.waiting()
	for actor := range 20 {
		wg.Go(func() { h.put(storage.Key{Table: "t", Key1: fmt.Sprint(actor)}, 0) })
	}
	for actor := range 20 { // none of them waits for the release
		for {
			_, err := h.store.Get(t.Context(), storage.Key{Table: "t", Key1: fmt.Sprint(actor)})
			if err == nil {
				break
			}
			if !errors.Is(err, storage.ErrNotFound) {
				t.Fatal(err)
			}
		}
	}
	cancel()
	wg.Wait()
	h.release()
}

// Processes whose transactions are about the same actors, many of them new, do
// not get into each other's way.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	stores := []storage.Store{open(t, url), open(t, url)}
	const actors, adds = 40, 5
	var wg sync.WaitGroup
	for i := range actors * len(stores) {
		wg.Go(func() {
			s, k := stores[i%len(stores)], storage.Key{Table: "t", Key1: fmt.Sprint(i / len(stores))}
			for done := 0; done < adds; {
				row, err := s.Get(t.Context(), k)
				if err != nil && !errors.Is(err, storage.ErrNotFound) {
					t.Error(err)
					return
				}
				switch _, err := s.Apply(t.Context(), 1, storage.PutBytes(k, append(row.Value, '1'), row.Version)); {
				case err == nil:
					done++
				case !errors.Is(err, storage.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n := 0
	for row, err := range stores[0].Scan(t.Context(), storage.Key{}) {
		if n++; err != nil || len(row.Value) != adds*len(stores) {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if n != actors {
		t.Errorf("%d actors, want %d", n, actors)
	}
}
