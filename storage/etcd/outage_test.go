package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// writer writes the number of its attempt into two rows at once, again and
// again, and knows what must be there and what must not.
type writer struct {
	s        storage.Store
	keys     [2]storage.Key
	endpoint string        // that errors must name
	patience time.Duration // for each call
	acks     chan struct{} // holds one if there was any since the last look
	ended    chan struct{}

	mu           sync.Mutex
	acknowledged int // newest attempt
	attempt      int
	refused      map[int]bool
	lost         int // attempts that were done, and failed for the writer
}

func newWriter(s storage.Store, actor int, endpoint string, patience time.Duration) *writer {
	w := &writer{s: s, endpoint: endpoint, patience: patience, acks: make(chan struct{}, 1), ended: make(chan struct{}), refused: make(map[int]bool)}
	for i, key2 := range []string{"left", "right"} {
		w.keys[i] = storage.Key{Table: "outage", Key1: fmt.Sprint(actor), Key2: key2}
	}
	return w
}

func (w *writer) newest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acknowledged
}

// run writes until stop. An error of a call that is not allowed ends it.
func (w *writer) run(stop context.Context) error {
	defer close(w.ended)
	for stop.Err() == nil {
		versions, err := w.read(w.s)
		for err == nil && stop.Err() == nil {
			versions, err = w.write(versions)
		}
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			if err := w.checkOutage(err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) write(versions [2]uint64) ([2]uint64, error) {
	w.mu.Lock()
	w.attempt++
	attempt := w.attempt
	w.mu.Unlock()
	value := []byte(strconv.Itoa(attempt))
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	defer cancel()
	now, err := w.s.Apply(ctx, 1, storage.PutBytes(w.keys[0], value, versions[0]), storage.PutBytes(w.keys[1], value, versions[1]))
	w.mu.Lock()
	defer w.mu.Unlock()
	if storage.WasRefused(err) {
		w.refused[attempt] = true
	}
	if err != nil {
		return versions, err
	}
	w.acknowledged = attempt
	select {
	case w.acks <- struct{}{}:
	default:
	}
	return [2]uint64(now), nil
}

// read checks what is there.
func (w *writer) read(s storage.Store) (versions [2]uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	defer cancel()
	var rows []storage.Row
	for row, err := range s.List(ctx, storage.Range{Table: w.keys[0].Table, Key1: w.keys[0].Key1}) {
		if err != nil {
			return versions, err
		}
		rows = append(rows, row)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(rows) == 0 && w.acknowledged == 0 {
		return versions, nil
	}
	if len(rows) != 2 || string(rows[0].Value) != string(rows[1].Value) {
		return versions, fmt.Errorf("half of a batch is there: %v", rows)
	}
	found, err := strconv.Atoi(string(rows[0].Value))
	switch {
	case err != nil:
		return versions, err
	case found < w.acknowledged:
		return versions, fmt.Errorf("attempt %d was acknowledged, and %d is there", w.acknowledged, found)
	case w.refused[found]:
		return versions, fmt.Errorf("attempt %d was refused, and is there", found)
	case found > w.acknowledged:
		w.lost++
	}
	return [2]uint64{rows[0].Version, rows[1].Version}, nil
}

// checkOutage says what is wrong with the error of a call to a server that was
// away. A call that has no time left need not ask whether it is.
func (w *writer) checkOutage(err error) error {
	if errors.Is(err, context.DeadlineExceeded) && !storage.WasRefused(err) {
		return nil
	}
	if !errors.Is(err, storage.ErrUnavailable) || storage.WasRefused(err) || !strings.Contains(err.Error(), w.endpoint) || strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("during an outage: %w", err)
	}
	return nil
}

// crowd is writers side by side.
type crowd struct {
	t       *testing.T
	writers []*writer
	stop    context.CancelFunc
	running sync.WaitGroup
}

func startCrowd(t *testing.T, s storage.Store, endpoint string, patience time.Duration) *crowd {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &crowd{t: t, stop: stop}
	t.Cleanup(func() { // before the store is closed
		stop()
		c.running.Wait()
	})
	for actor := range 8 {
		w := newWriter(s, actor, endpoint, patience)
		c.writers = append(c.writers, w)
		c.running.Go(func() {
			if err := w.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return c
}

// progress waits until each writer has been acknowledged once more.
func (c *crowd) progress() {
	c.t.Helper()
	for _, w := range c.writers {
		select {
		case <-w.acks: // may be an old one
		default:
		}
		select {
		case <-w.acks:
		case <-w.ended:
			c.t.FailNow() // it has said why
		}
	}
}

// end stops the writers and checks what they have left, by another store.
func (c *crowd) end(direct storage.Store) (acknowledged, lost int) {
	c.t.Helper()
	c.stop()
	c.running.Wait()
	for _, w := range c.writers {
		if _, err := w.read(direct); err != nil {
			c.t.Error(err)
		}
		acknowledged += w.acknowledged
		lost += w.lost
	}
	return acknowledged, lost
}

// Connections break between a write and its answer. No acknowledged write is
// lost, and none that was done is called refused: a store that repeats writes
// would find its own and report a conflict.
func testCutConnections(t *testing.T, server *etcdtest.Server) {
	p := startProxy(t, server.Endpoints()[0])
	s := open(t, etcd.Config{Endpoints: []string{p.address()}, Prefix: prefix(t)})
	direct := openAt(t, server)
	c := startCrowd(t, s, p.address(), 10*time.Second)
	for cut := range 20 {
		c.progress()
		w := c.writers[cut%len(c.writers)]
		p.swallowAnswers()
		await(t, func() bool { // a write is done of which its writer does not know
			row, err := direct.Get(t.Context(), w.keys[0])
			return err != nil || string(row.Value) != strconv.Itoa(w.newest())
		})
		p.cut()
	}
	c.progress()
	acknowledged, lost := c.end(direct)
	t.Logf("%d acknowledged writes, %d answers lost", acknowledged, lost)
	if lost == 0 {
		t.Error("no write was done without its answer: the test shows nothing")
	}
}

// The server goes away in the middle of writes and comes back: the same store
// goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	endpoint := server.Endpoints()[0]
	config := etcd.Config{Endpoints: server.Endpoints()}
	s := open(t, config)
	c := startCrowd(t, s, endpoint, 500*time.Millisecond)
	for range 3 {
		c.progress()
		server.Stop()
		checkAway(t, s, endpoint)
		server.Restart()
	}
	c.progress()
	acknowledged, lost := c.end(open(t, config))
	t.Logf("%d acknowledged writes, %d answers lost", acknowledged, lost)
}

// Members of a cluster go away one after another, the leader among them, while
// a majority stays.
func TestCluster(t *testing.T) {
	t.Parallel()
	members := etcdtest.StartCluster(t, 3)
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.Endpoints()...)
	}
	config := etcd.Config{Endpoints: endpoints}
	c := startCrowd(t, open(t, config), strings.Join(endpoints, ", "), time.Second)
	for _, m := range members {
		c.progress()
		m.Stop()
		c.progress()
		m.Restart()
	}
	c.progress()
	acknowledged, lost := c.end(open(t, config))
	t.Logf("%d acknowledged writes, %d answers lost", acknowledged, lost)
}

// checkAway makes each call once.
func checkAway(t *testing.T, s storage.Store, endpoint string) {
	t.Helper()
	key := storage.Key{Table: "away", Key1: "a"}
	for name, call := range map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := s.Get(ctx, key)
			return err
		},
		"Apply": func(ctx context.Context) error {
			_, err := s.Apply(ctx, 1, storage.Put(key, []byte("0"), 0))
			return err
		},
		"List": func(ctx context.Context) (last error) {
			for _, err := range s.List(ctx, storage.Range{Table: "away", Key1: "a"}) {
				last = err
			}
			return last
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := call(ctx)
		cancel()
		if !errors.Is(err, storage.ErrUnavailable) || storage.WasRefused(err) {
			t.Errorf("%s: %v", name, err)
		}
		wantError(t, err, endpoint)
	}
}

// A write that Close cuts off may have been done.
func testCloseWhileWriting(t *testing.T, server *etcdtest.Server) {
	p := startProxy(t, server.Endpoints()[0])
	s := open(t, etcd.Config{Endpoints: []string{p.address()}, Prefix: prefix(t)})
	direct := openAt(t, server)
	key := storage.Key{Table: "t", Key1: "a"}
	p.swallowAnswers()
	written, read := make(chan error), make(chan error)
	go func() {
		_, err := s.Apply(t.Context(), 1, storage.Put(key, []byte("0"), 0))
		written <- err
	}()
	go func() {
		_, err := s.Get(t.Context(), key)
		read <- err
	}()
	awaitRow(t, direct, key)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-written; !errors.Is(err, storage.ErrUnavailable) || storage.WasRefused(err) {
		t.Errorf("a write that was done, and was cut off: %v", err)
	}
	if err := <-read; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a read that was cut off: %v", err)
	}
}
