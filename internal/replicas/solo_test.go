package replicas_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// cutStore takes so many writes of replicated values, and none any more.
type cutStore struct {
	storage.Store
	mu   sync.Mutex
	left int
	cut  context.CancelFunc
}

func (c *cutStore) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	if ops[0].Key.Table != replicas.Table {
		return c.Store.Apply(ctx, epoch, ops...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		c.cut()
		return nil, errors.New("the process has ended here")
	}
	c.left--
	return c.Store.Apply(ctx, epoch, ops...)
}

func solo(t *testing.T, store storage.Store, types ...mallee.Type) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), node.Config{
		Types: types, Store: store, Log: slog.New(slog.DiscardHandler),
		Replicas: node.ReplicaConfig{CheckpointAfter: 200},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// count counts until the store is cut, and tells what was acknowledged.
func countUntilCut(t *testing.T, store storage.Store, writes int) (acked int64, cut bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := solo(t, &cutStore{Store: store, left: writes, cut: cancel}, game.Types()...)
	defer n.Abort()
	r := visits(n)
	for r.Wait(ctx, crdt.Local) == nil && acked < 20 {
		if _, err := r.Value.Add(1); err != nil {
			t.Fatal(err)
		}
		if r.Wait(ctx, crdt.Majority) != nil {
			break
		}
		acked++
	}
	return acked, ctx.Err() != nil
}

// checkCount starts the node again.
func checkCount(t *testing.T, store storage.Store, acked int64) {
	t.Helper()
	n := solo(t, store, game.Types()...)
	r := visits(n)
	must(t, r.Wait(patient(t), crdt.Local))
	got, err := r.Value.Value()
	if err != nil || got < acked || got > acked+1 {
		t.Errorf("%d, %v after %d were acknowledged", got, err, acked)
	}
	must(t, n.Stop(patient(t)))
}

// A node that is alone may die after any write.
func TestAloneCutAfterEachWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for writes, cut := 0, true; cut; writes++ {
			store := storage.Memory()
			var acked int64
			acked, cut = countUntilCut(t, store, writes)
			checkCount(t, store, acked)
		}
	})
}

func TestAloneOnPebble(t *testing.T) {
	t.Parallel()
	for _, writes := range []int{2, 5, 13, 1000} {
		dir := t.TempDir()
		db, err := pebble.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		acked, _ := countUntilCut(t, db, writes)
		must(t, db.Close())
		if db, err = pebble.Open(dir); err != nil {
			t.Fatal(err)
		}
		checkCount(t, db, acked)
		must(t, db.Close())
	}
}

// leaver counts when it ends.
type leaver struct {
	left *mallee.Replicated[crdt.PNCounter]
}

func (l *leaver) OnDeactivate(context.Context, mallee.Reason) error {
	_, err := l.left.Value.Add(1)
	return err
}

// wakeCall does nothing but to activate a leaver.
type wakeCall struct{ mallee.Call }

func (wakeCall) Interface() string              { return "Leaver" }
func (wakeCall) Method() string                 { return "Wake" }
func (wakeCall) Flags() mallee.CallFlags        { return 0 }
func (wakeCall) Run(context.Context, any) error { return nil }
func (wakeCall) CopyArgs() error                { return nil }
func (wakeCall) CopyResults() error             { return nil }

// What actors change when the last node is stopped is kept.
func TestChangesOfTheLastMoment(t *testing.T) {
	t.Parallel()
	leavers := mallee.NewType(mallee.Interface{Name: "Leaver", Methods: []mallee.Method{{Name: "Wake", New: func() mallee.Call { return wakeCall{} }}}}, func(self *mallee.Self) any {
		return &leaver{mallee.NewReplicated[crdt.PNCounter](self, mallee.ID{Type: "Page", Key: "visits"})}
	})
	for name, config := range map[string]node.Config{
		"alone":   {},
		"cluster": {Placement: placement.Memory(time.Minute), Network: transport.NewMemory()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.Types, config.Store, config.Log = []mallee.Type{leavers}, storage.Memory(), slog.New(slog.NewTextHandler(t.Output(), nil))
			n, err := node.Start(t.Context(), config)
			must(t, err)
			must(t, n.Invoke(patient(t), mallee.ID{Type: "Leaver", Key: "x"}, wakeCall{}))
			must(t, n.Stop(patient(t)))
			n, err = node.Start(t.Context(), config)
			must(t, err)
			reaches(t, visits(n), 1)
			must(t, n.Stop(patient(t)))
		})
	}
}
