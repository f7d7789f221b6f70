package mallee_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
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
		"nothing can come more":  {[]func(*lampAt, func()){change, func(l *lampAt, _ func()) { close(l.changes) }}, 2},
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
