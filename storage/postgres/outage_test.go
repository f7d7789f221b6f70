package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

// pair is two rows of an actor, which are written together and always hold the
// same number.
type pair struct {
	keys     [2]storage.Key
	versions [2]uint64
	n        int
}

func newPair(actor int) *pair {
	k := storage.Key{Table: "outage", Key1: fmt.Sprint(actor)}
	p := &pair{keys: [2]storage.Key{k, k}}
	p.keys[0].Key2, p.keys[1].Key2 = "left", "right"
	return p
}

// add writes the next number. When it fails with a conflict, which an earlier
// write of unknown outcome has left, the rows must be read again.
func (p *pair) add(ctx context.Context, s storage.Store) error {
	value := []byte(strconv.Itoa(p.n + 1))
	versions, err := s.Apply(ctx, 1, storage.Put(p.keys[0], value, p.versions[0]), storage.Put(p.keys[1], value, p.versions[1]))
	if err == nil {
		p.n, p.versions = p.n+1, [2]uint64(versions)
	}
	return err
}

func (p *pair) read(ctx context.Context, s storage.Store) error {
	var n [2]int
	for i, k := range p.keys {
		row, err := s.Get(ctx, k)
		if errors.Is(err, storage.ErrNotFound) {
			p.versions[i] = 0
			continue
		}
		if err != nil {
			return err
		}
		if n[i], err = strconv.Atoi(string(row.Value)); err != nil {
			return err
		}
		p.versions[i] = row.Version
	}
	if n[0] != n[1] {
		return fmt.Errorf("%v holds half of a batch: %v", p.keys[0], n)
	}
	p.n = n[0]
	return nil
}

// outage is writers that go on whatever happens. They report the result of
// each write.
type outage struct {
	t            *testing.T
	store        storage.Store
	acknowledged []int // by actor
	reports      chan report
	stop         context.CancelFunc
	writers      sync.WaitGroup
}

type report struct {
	actor int
	err   error
}

func startWriters(t *testing.T, s storage.Store) *outage {
	ctx, stop := context.WithCancel(t.Context())
	o := &outage{t: t, store: s, acknowledged: make([]int, 8), reports: make(chan report), stop: stop}
	for actor := range o.acknowledged {
		o.writers.Go(func() {
			p := newPair(actor)
			for ctx.Err() == nil {
				err := o.step(p)
				if err == nil {
					o.acknowledged[actor] = p.n
				}
				select {
				case o.reports <- report{actor, err}:
				case <-ctx.Done():
				}
			}
		})
	}
	return o
}

func (o *outage) step(p *pair) error {
	ctx, cancel := context.WithTimeout(o.t.Context(), 500*time.Millisecond)
	defer cancel()
	err := p.add(ctx, o.store)
	if errors.Is(err, storage.ErrConflict) {
		if err = p.read(ctx, o.store); err == nil {
			err = p.add(ctx, o.store)
		}
	}
	if err != nil {
		wantError(o.t, err, "")
		if !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) || storage.WasRefused(err) {
			o.t.Errorf("a writer has met: %v", err)
		}
	}
	return err
}

// until returns when each writer has reported such a result.
func (o *outage) until(wanted func(error) bool) {
	o.t.Helper()
	seen, deadline := make(map[int]bool), time.After(time.Minute)
	for len(seen) < len(o.acknowledged) {
		select {
		case r := <-o.reports:
			if wanted(r.err) {
				seen[r.actor] = true
			}
		case <-deadline:
			o.t.Fatalf("only the writers %v have come so far", seen)
		}
	}
}

func isNil(err error) bool         { return err == nil }
func isUnavailable(err error) bool { return errors.Is(err, storage.ErrUnavailable) }

// end stops the writers and looks for what was acknowledged.
func (o *outage) end() {
	o.t.Helper()
	o.stop()
	o.writers.Wait()
	total := 0
	for actor, n := range o.acknowledged {
		p := newPair(actor)
		if err := p.read(o.t.Context(), o.store); err != nil || p.n < n {
			o.t.Errorf("actor %d has %d, and %d was acknowledged: %v", actor, p.n, n, err)
		}
		total += n
	}
	o.t.Logf("%d acknowledged writes", total)
}

// A server that crashes in the middle of writes, and comes back.
func TestCrash(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	s := open(t, server.URL())
	o := startWriters(t, s)
	for range 3 {
		o.until(isNil)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		o.until(isUnavailable)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := s.Get(ctx, newPair(0).keys[0])
		cancel()
		wantError(t, err, `PostgreSQL database "postgres" on `)
		if !errors.Is(err, storage.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
	}
	o.until(isNil)
	o.end()
}

// Connections that are cut again and again while the server is there.
func TestCutConnections(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	c := connect(t, url)
	o := startWriters(t, open(t, with(t, url, "application_name", "mallee-cut")))
	for range 20 {
		exec(t, c, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mallee-cut'`)
		o.until(isNil)
	}
	o.end()
}

// Close ends what waits, and lets end what has begun.
func TestCloseWhileRunning(t *testing.T) {
	t.Parallel()
	url := fresh(t, server(t))
	s := open(t, url)
	var wg sync.WaitGroup
	begun := make(chan bool, 64)
	for actor := range 16 {
		p := newPair(actor)
		for _, step := range []func() error{
			func() error { return p.add(t.Context(), s) },
			func() error {
				_, err := s.Get(t.Context(), storage.Key{Table: "outage", Key1: "0", Key2: "none"})
				if errors.Is(err, storage.ErrNotFound) {
					return nil
				}
				return err
			},
			func() error {
				for _, err := range s.Scan(t.Context(), storage.Key{}) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		} {
			wg.Go(func() {
				err := step()
				begun <- true
				for err == nil {
					err = step()
				}
				if !errors.Is(err, storage.ErrClosed) {
					t.Errorf("%v, want that the store is closed", err)
				}
			})
		}
	}
	for range cap(begun) * 3 / 4 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestCloseWhileAway(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	s := open(t, server.URL())
	if err := newPair(0).add(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for actor := range 8 {
		wg.Go(func() {
			if err := newPair(actor).add(t.Context(), s); !errors.Is(err, storage.ErrClosed) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := newPair(actor).read(t.Context(), s); !errors.Is(err, storage.ErrClosed) {
				t.Error(err)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
