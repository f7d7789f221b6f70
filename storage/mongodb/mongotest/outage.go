package mongotest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage"
)

const (
	writers  = 4
	outages  = 3
	callTime = 2 * time.Second // of a call that the server may not answer
)

// fleet is writers that add one to a counter of their own, again and again.
type fleet struct {
	s            storage.Store
	stop         chan struct{}
	wg           sync.WaitGroup
	acknowledged chan int     // the writer of each acknowledged write
	failed       chan bool    // whether the server was away, of each call that failed
	last         [writers]int // read after the end
}

func launch(t *testing.T, s storage.Store) *fleet {
	t.Helper()
	f := &fleet{s: s, stop: make(chan struct{}), acknowledged: make(chan int), failed: make(chan bool)}
	for writer := range writers {
		f.wg.Go(func() { f.write(t, writer) })
	}
	return f
}

func counter(writer int) storage.Key {
	return storage.Key{Table: "outage", Key1: fmt.Sprint(writer)}
}

func (f *fleet) write(t *testing.T, writer int) {
	for {
		n, err := f.add(t.Context(), writer)
		if err == nil {
			f.last[writer] = n
			select {
			case f.acknowledged <- writer:
			case <-f.stop:
				return
			}
			continue
		}
		if !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, storage.ErrConflict) || strings.Contains(err.Error(), "\n") {
			t.Errorf("writer %d: %v", writer, err)
		}
		select {
		case f.failed <- errors.Is(err, storage.ErrUnavailable):
		case <-f.stop:
			return
		case <-time.After(10 * time.Millisecond): // nobody waits for a failure
		}
	}
}

func (f *fleet) add(ctx context.Context, writer int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	n := 0
	row, err := f.s.Get(ctx, counter(writer))
	if err == nil {
		n, err = strconv.Atoi(string(row.Value))
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return 0, err
	}
	_, err = f.s.Apply(ctx, 1, storage.Put(counter(writer), []byte(strconv.Itoa(n+1)), row.Version))
	return n + 1, err
}

// await returns once each writer has written anew.
func (f *fleet) await(t *testing.T) {
	t.Helper()
	limit := time.After(time.Minute)
	for seen := make(map[int]int); len(seen) < writers; {
		select {
		case writer := <-f.acknowledged:
			seen[writer]++
		case <-f.failed:
		case <-limit:
			t.Fatal("not all writers could write again within a minute")
		}
	}
}

// awaitFailure returns once a call that was not refused has failed.
func (f *fleet) awaitFailure(t *testing.T) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case <-f.acknowledged:
		case away := <-f.failed:
			if away {
				return
			}
		case <-limit:
			t.Fatal("no call has failed within a minute")
		}
	}
}

func (f *fleet) end(t *testing.T) {
	t.Helper()
	close(f.stop)
	f.wg.Wait()
	for writer, acknowledged := range f.last {
		row, err := f.s.Get(t.Context(), counter(writer))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := strconv.Atoi(string(row.Value)); err != nil || n < acknowledged {
			t.Errorf("writer %d: %d was acknowledged, %s is there", writer, acknowledged, row.Value)
		}
	}
}

// The connections break while writers write, and the server is away for some
// time. The store that is open recovers.
func testOutage(t *testing.T, db database) {
	s, proxy := db.through(t, Pass)
	f := launch(t, s)
	for range outages {
		f.await(t)
		proxy.Down()
		f.awaitFailure(t)
		proxy.Up(t)
	}
	f.await(t)
	f.end(t)
}

// The server is killed while writers write.
func testKill(t *testing.T, db database) {
	if db.server.Kill == nil {
		t.Skip("the server may not be killed")
	}
	f := launch(t, db.open(t))
	for range outages {
		f.await(t)
		db.server.Kill(t)
		f.awaitFailure(t)
		db.server.Start(t)
	}
	f.await(t)
	f.end(t)
}

// Close waits for calls that are running; later ones are refused.
func testCloseWhile(t *testing.T, db database) {
	var tap tap
	s, _ := db.through(t, tap.handle)
	apply(t, s, 1, storage.Put(player, []byte("0"), 0))
	running, closing := make(chan struct{}), make(chan struct{})
	tap.arm(2, func(command bson.Raw, forward Forward) bson.Raw {
		close(running)
		<-closing
		return forward(command)
	})
	written, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Apply(t.Context(), 1, storage.Put(player, []byte("1"), 1))
		written <- err
	}()
	<-running
	go func() { closed <- s.Close() }()
	for refused := false; !refused; { // until Close has begun
		_, err := s.Get(t.Context(), storage.Key{Table: "none", Key1: "a"})
		refused = errors.Is(err, storage.ErrClosed)
	}
	close(closing)
	if err := <-written; err != nil {
		t.Errorf("the call that was running: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if row, err := db.open(t).Get(t.Context(), player); err != nil || string(row.Value) != "1" {
		t.Errorf("%+v, %v", row, err)
	}
}
