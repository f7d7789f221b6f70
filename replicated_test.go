package mallee_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
)

var lamp = mallee.ID{Type: "Lamp", Key: "hall"}

// keeper is a caller that has one copy.
type keeper struct{ replica crdt.Replica }

func (keeper) Invoke(context.Context, mallee.ID, mallee.Call) error { return mallee.ErrNotFound }

func (k keeper) Replica(mallee.ID) crdt.Replica { return k.replica }

// lampAt is a copy of the lamp that cannot be read, only watched.
type lampAt struct {
	crdt.Replica
	changes chan struct{}
	deleted bool
	watched int
}

func (l *lampAt) Deleted() bool { return l.deleted }

func (l *lampAt) Watch() (<-chan struct{}, func()) {
	l.watched++
	return l.changes, func() { l.watched-- }
}

func TestChangesOfAReplicatedValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after []func(l *lampAt, cancel func()) // what happens after each time that it yields
		times int
	}{
		"ctx ends":               {[]func(*lampAt, func()){change, change, func(_ *lampAt, cancel func()) { cancel() }}, 3},
		"deleted":                {[]func(*lampAt, func()){change, func(l *lampAt, _ func()) { l.deleted = true; l.changes <- struct{}{} }}, 3},
		"deleted already":        {[]func(*lampAt, func()){func(l *lampAt, _ func()) { l.deleted = true; l.changes <- struct{}{} }}, 2},
		"nothing more can come":  {[]func(*lampAt, func()){change, func(l *lampAt, _ func()) { close(l.changes) }}, 2},
		"the caller has enough":  {[]func(*lampAt, func()){change, change, nil}, 3},
		"the caller looks once":  {[]func(*lampAt, func()){nil}, 1},
		"ctx ends while it acts": {[]func(*lampAt, func()){func(_ *lampAt, cancel func()) { cancel() }}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l := &lampAt{changes: make(chan struct{}, 1)}
			times := 0
			for range mallee.NewReplicated[crdt.Flag](keeper{l}, lamp).Changes(ctx) {
				if times++; times > len(test.after) {
					continue
				}
				if test.after[times-1] == nil {
					break
				}
				test.after[times-1](l, cancel)
			}
			if times != test.times || l.watched != 0 {
				t.Errorf("it came %d times, want %d; %d watch", times, test.times, l.watched)
			}
		})
	}
}

func change(l *lampAt, _ func()) { l.changes <- struct{}{} }

// Everybody sees what an actor changes, as it sees what others change.
func TestReplicatedInAnActor(t *testing.T) {
	t.Parallel()
	type lamplighter struct {
		lit *mallee.Replicated[crdt.ORSet[string]]
	}
	outside := make(chan crdt.Replica, 1)
	run := probe(t, nil, func(self *mallee.Self) *lamplighter {
		outside <- self.Replica(lamp)
		return &lamplighter{mallee.NewReplicated[crdt.ORSet[string]](self, lamp)}
	})
	light := func(_ context.Context, l *lamplighter) error { return l.lit.Value.Add("hall") } // the first turn finds the node ready
	if err := run(light); err != nil {
		t.Fatal(err)
	}
	other := crdt.ORSet[string]{}.On(<-outside)
	if has, err := other.Has("hall"); !has || err != nil {
		t.Errorf("%t, %v", has, err)
	}
	if err := other.Add("kitchen"); err != nil {
		t.Fatal(err)
	}
	if err := run(func(_ context.Context, l *lamplighter) error {
		if n, err := l.lit.Value.Len(); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		return l.lit.Delete()
	}); err != nil {
		t.Fatal(err)
	}
	if err := run(light); err == nil || !strings.Contains(err.Error(), crdt.ErrDeleted.Error()) {
		t.Errorf("got %v", err)
	}
	if err := other.Add("attic"); !errors.Is(err, crdt.ErrDeleted) {
		t.Errorf("got %v", err)
	}
}

// An actor is told of changes, its own and others', in its turns.
func TestReplicatedTellsActors(t *testing.T) {
	t.Parallel()
	type lamplighter struct {
		lit  *mallee.Replicated[crdt.ORSet[string]]
		seen int
	}
	outside, told := make(chan crdt.Replica, 1), make(chan int, 64)
	run := probe(t, nil, func(self *mallee.Self) *lamplighter {
		outside <- self.Replica(lamp)
		l := &lamplighter{lit: mallee.NewReplicated[crdt.ORSet[string]](self, lamp)}
		l.lit.OnChange(self, func(context.Context) {
			var err error
			if l.seen, err = l.lit.Value.Len(); err != nil {
				t.Error(err)
			}
			told <- l.seen
		})
		return l
	})
	if err := run(func(_ context.Context, l *lamplighter) error { return l.lit.Value.Add("hall") }); err != nil {
		t.Fatal(err)
	}
	if err := (crdt.ORSet[string]{}).On(<-outside).Add("kitchen"); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 2; n = <-told {
	}
	if err := run(func(_ context.Context, l *lamplighter) error {
		if l.seen != 2 {
			t.Errorf("the actor has seen %d lamps", l.seen)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestReplicatedOnAllNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := malleetest.Start(t, 3, game.Types()...)
		var counters []*mallee.Replicated[crdt.PNCounter]
		for i := range c.Size() {
			r := mallee.NewReplicated[crdt.PNCounter](c.Node(i), lamp)
			if err := r.Wait(ctx, crdt.Local); err != nil {
				t.Fatal(err)
			}
			counters = append(counters, r)
		}
		add := func(i int, n int64) {
			t.Helper()
			if _, err := counters[i].Value.Add(n); err != nil {
				t.Error(err)
			}
		}
		converge := func(want int64) {
			t.Helper()
			for i, r := range counters {
				for counter := range r.Changes(ctx) {
					if n, err := counter.Value(); n == want || err != nil {
						break
					}
				}
				if err := r.Wait(ctx, crdt.All); err != nil {
					t.Errorf("node %d: %v", i, err)
				}
			}
		}
		for i := range counters {
			add(i, 10)
		}
		converge(30)

		c.Isolate(2)
		add(0, 1)
		add(2, -2)
		if err := counters[2].Wait(ctx, crdt.Majority); !errors.Is(err, mallee.ErrTimeout) || !strings.Contains(err.Error(), "1 of 3 nodes") {
			t.Errorf("got %v", err)
		}
		patient, cancel := context.WithTimeout(ctx, time.Minute) // who keeps the values may have to move
		defer cancel()
		if err := counters[0].Wait(patient, crdt.Majority); err != nil {
			t.Error(err)
		}
		if err := counters[1].Refresh(ctx); err != nil {
			t.Error(err)
		}
		if n, err := counters[1].Value.Value(); n != 31 && n != 29 || err != nil { // 29: by way of the store, which node 2 has reached
			t.Errorf("%d, %v", n, err)
		}
		c.Heal()
		converge(29)

		if err := counters[0].Delete(); err != nil {
			t.Error(err)
		}
		for range counters[1].Changes(ctx) { // ends with the value
		}
		if _, err := counters[1].Value.Add(1); !errors.Is(err, crdt.ErrDeleted) || !counters[1].Deleted() {
			t.Errorf("got %v", err)
		}
	})
}

// caller is one that keeps no copies, as a reference of a program without a node.
type caller struct{}

func (caller) Invoke(context.Context, mallee.ID, mallee.Call) error { return mallee.ErrNotFound }

func TestReplicatedWithoutCopies(t *testing.T) {
	t.Parallel()
	for _, c := range []mallee.Caller{caller{}, keeper{}} {
		r := mallee.NewReplicated[crdt.PNCounter](c, lamp)
		_, add := r.Value.Add(1)
		_, read := r.Value.Value()
		for _, err := range []error{add, read, r.Wait(t.Context(), crdt.Local), r.Refresh(t.Context()), r.Delete()} {
			if !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), "Lamp/hall") {
				t.Errorf("got %v", err)
			}
		}
		if n := len(slices.Collect(r.Changes(t.Context()))); n != 1 || r.Deleted() {
			t.Errorf("it changes %d times; deleted: %t", n, r.Deleted())
		}
	}
}
