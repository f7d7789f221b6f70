package clustertest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

// Kinds of cells.
const (
	eventsKind = iota
	valueKind
	kinds
)

// cell is an entity, and what its text has to be: only one client writes to it.
type cell struct {
	kind  int
	key   string
	text  string // that was acknowledged
	doubt string // the last word, if nobody knows what has become of it
}

// add appends a word and returns the text, which one command does with events,
// and with a value.
func (c *cell) add(ctx context.Context, conn *grpc.ClientConn, word string) (string, error) {
	if c.kind == eventsKind {
		action := &tckevents.RequestAction{Action: &tckevents.RequestAction_Emit{Emit: &tckevents.Emit{Value: word}}}
		r, err := tckevents.NewEventSourcedTckModelClient(conn).Process(ctx, &tckevents.Request{Id: c.key, Actions: []*tckevents.RequestAction{action}})
		return r.GetMessage(), err
	}
	action := &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Update{Update: &tckvalue.Update{Value: c.text + word}}}
	r, err := tckvalue.NewValueEntityTckModelClient(conn).Process(ctx, &tckvalue.Request{Id: c.key, Actions: []*tckvalue.RequestAction{action}})
	return r.GetMessage(), err
}

func (c *cell) read(ctx context.Context, conn *grpc.ClientConn) (string, error) {
	if c.kind == eventsKind {
		r, err := tckevents.NewEventSourcedTckModelClient(conn).Process(ctx, &tckevents.Request{Id: c.key})
		return r.GetMessage(), err
	}
	r, err := tckvalue.NewValueEntityTckModelClient(conn).Process(ctx, &tckvalue.Request{Id: c.key})
	return r.GetMessage(), err
}

// await reads until there is an answer, which calls do not get while the owner
// of the entity is given up.
func (c *cell) await(t testing.TB, conn *grpc.ClientConn) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ctx := within(t); ; <-again.C {
		if _, err := c.read(ctx, conn); err == nil {
			return
		} else if ctx.Err() != nil {
			t.Fatalf("%s does not answer: %v", c.key, err)
		}
	}
}

// grow adds a word, which has to be acknowledged, and checks all the others.
func (c *cell) grow(ctx context.Context, t testing.TB, conn *grpc.ClientConn, word string) {
	t.Helper()
	got, err := c.add(ctx, conn, word)
	if c.text += word; err != nil || got != c.text {
		t.Fatalf("%s is %q, want %q: %v", c.key, got, c.text, err)
	}
}

// check finds out what has become of the doubt, and goes on from there.
func (c *cell) check(ctx context.Context, t testing.TB, conn *grpc.ClientConn) {
	t.Helper()
	got, err := c.read(ctx, conn)
	if err != nil || got != c.text && got != c.text+c.doubt {
		t.Errorf("%s is %q, want %q, perhaps with %q: %v", c.key, got, c.text, c.doubt, err)
		return
	}
	c.text = got
	if got, err := c.add(ctx, conn, "end"); err != nil || got != c.text+"end" {
		t.Errorf("%s becomes %q, want %q and its end: %v", c.key, got, c.text, err)
	}
}

// writers append to cells all the time, each to its own.
type writers struct {
	t       testing.TB
	mayFail bool
	stop    context.CancelFunc
	ended   sync.WaitGroup
	conns   atomic.Pointer[[]*grpc.ClientConn]
	done    [8]atomic.Int64 // words of each
	more    chan struct{}   // a hint that there was one

	mu    sync.Mutex
	cells []*cell
}

// wordsOfCell bounds what is read again and again.
const wordsOfCell = 100

// write starts writers through sidecars. MayFail: calls that are on their way to
// a sidecar which dies.
func write(t testing.TB, mayFail bool, conns ...*grpc.ClientConn) *writers {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &writers{t: t, mayFail: mayFail, stop: stop, more: make(chan struct{}, 1)}
	w.through(conns...)
	for i := range w.done {
		w.ended.Go(func() { w.run(ctx, i) })
	}
	t.Cleanup(func() { stop(); w.ended.Wait() })
	w.goOn()
	return w
}

// through lets the calls to come go through these.
func (w *writers) through(conns ...*grpc.ClientConn) { w.conns.Store(&conns) }

func (w *writers) run(ctx context.Context, i int) {
	for number := 0; ctx.Err() == nil; number++ {
		c := &cell{kind: i % kinds, key: fmt.Sprint("writer", i, "-", number)}
		w.mu.Lock()
		w.cells = append(w.cells, c)
		w.mu.Unlock()
		for n := 0; n < wordsOfCell && c.doubt == "" && ctx.Err() == nil; n++ {
			w.word(c, i, n)
		}
	}
}

func (w *writers) word(c *cell, i, n int) {
	conns := *w.conns.Load()
	word := fmt.Sprint(n, ".")
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	got, err := c.add(ctx, conns[n%len(conns)], word)
	switch {
	case w.t.Context().Err() != nil: // the test has failed
		w.stop()
	case err != nil:
		c.doubt = word
		if !w.mayFail {
			w.t.Errorf("%s: %v", c.key, err)
			w.stop()
		}
		time.Sleep(20 * time.Millisecond) // what has failed at once would fail again
	case got != c.text+word:
		w.t.Errorf("%s becomes %q, want %q and %q", c.key, got, c.text, word)
		w.stop()
	default:
		c.text = got
		w.done[i].Add(1)
		select {
		case w.more <- struct{}{}:
		default:
		}
	}
}

// goOn waits until each writer has had twenty more words acknowledged.
func (w *writers) goOn() {
	w.t.Helper()
	ctx := within(w.t)
	for i := range w.done {
		for want := w.done[i].Load() + 20; w.done[i].Load() < want; {
			select {
			case <-w.more:
			case <-ctx.Done():
				w.t.Fatalf("writer %d has stopped after %d words", i, w.done[i].Load())
			}
			if w.t.Failed() {
				w.t.FailNow()
			}
		}
	}
}

// end stops the writers: each entity is what was acknowledged.
func (w *writers) end() {
	w.t.Helper()
	w.stop()
	w.ended.Wait()
	conns := *w.conns.Load()
	var checking sync.WaitGroup
	for from := range w.done {
		checking.Go(func() {
			for i := from; i < len(w.cells); i += len(w.done) {
				w.cells[i].check(within(w.t), w.t, conns[i%len(conns)])
			}
		})
	}
	checking.Wait()
}
