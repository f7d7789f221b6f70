package clustertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// holder is a node's way to the sets and the counter that all nodes have.
type holder interface {
	// put adds an element to a set, or removes it.
	put(ctx context.Context, set, element string, there bool, c crdt.Consistency) error
	// count adds 1 to the counter.
	count(ctx context.Context, c crdt.Consistency) error

	elements(ctx context.Context, set string) ([]string, error)
	total(ctx context.Context) (int64, error)
}

// adders change replicated values all the time, each by one node.
type adders struct {
	t     testing.TB
	stop  context.CancelFunc
	ended sync.WaitGroup
	all   []*adder
	more  chan struct{} // a hint that there was a change
}

// adder knows what has to be there of its changes. Nobody else changes its elements.
type adder struct {
	*adders
	number int

	mu      sync.Mutex
	to      holder
	sets    map[string]map[string]*element
	acked   []*element // by the holder, which may take them along when it dies
	counted int64      // so is this
	sure    int64      // was counted, and is safe
	tried   int64
	done    int // changes that were acknowledged
}

// element is one of a set.
type element struct {
	by     holder // nil: nobody
	there  bool
	failed bool // it was not acknowledged
	doubt  bool // nor is it safe
}

// elementsOfSet bounds what is sent and compared again and again.
const elementsOfSet = 40

// addAt starts an adder for each node.
func addAt(t testing.TB, holders ...holder) *adders {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	a := &adders{t: t, stop: stop, more: make(chan struct{}, 1)}
	for i, h := range holders {
		a.all = append(a.all, &adder{adders: a, number: i, to: h, sets: make(map[string]map[string]*element)})
	}
	for _, one := range a.all {
		a.ended.Go(func() { one.run(ctx) })
	}
	t.Cleanup(func() { stop(); a.ended.Wait() })
	a.goOn()
	return a
}

// run changes one set after the other, which the others change at the same time.
func (a *adder) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		c := crdt.Local
		if n%6 == 5 { // takes long where it fails
			c = crdt.Majority
		}
		if !a.change(n, c) {
			time.Sleep(20 * time.Millisecond) // what has failed at once would fail again
		}
	}
}

func (a *adder) change(n int, c crdt.Consistency) (ok bool) {
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	set, key, e := a.next(n)
	put := errors.New("there is no node")
	counted := put
	if e.by != nil {
		put = e.by.put(ctx, set, key, e.there, c)
		a.note(e.by, c, put, func() { a.acked, e.failed = append(a.acked, e), false })
		counted = e.by.count(ctx, c)
		a.note(e.by, c, counted, func() { a.counted++ })
	}
	return errors.Join(put, counted) == nil
}

// next is what to change: sometimes an element goes that this node has added.
func (a *adder) next(n int) (set, key string, e *element) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set, key = fmt.Sprint("set", n/elementsOfSet), fmt.Sprint(a.number, "-", n)
	if a.sets[set] == nil {
		a.sets[set] = make(map[string]*element)
	}
	e = &element{by: a.to, there: true, failed: true, doubt: true}
	before := fmt.Sprint(a.number, "-", n-2)
	if b := a.sets[set][before]; n%4 == 3 && b != nil && b.by == a.to && !b.failed {
		key, e.there = before, false
	}
	a.sets[set][key] = e
	a.tried++
	return set, key, e
}

// note takes note of an answer. What a node acknowledges after another has taken its
// place is no matter.
func (a *adder) note(to holder, c crdt.Consistency, err error, acknowledged func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || a.to != to {
		return
	}
	acknowledged()
	if a.done++; c == crdt.Majority {
		a.settle()
	}
	select {
	case a.more <- struct{}{}:
	default:
	}
}

// settle says that nothing can be lost any more of what was acknowledged. mu is held.
func (a *adder) settle() {
	for _, e := range a.acked {
		e.doubt = false
	}
	a.sure += a.counted
	a.acked, a.counted = nil, 0
}

// left says that the node has gone. One that was stopped takes nothing along; one that
// has died may take along what only it was told.
func (a *adder) left(stopped bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if stopped {
		a.settle()
	}
	a.to, a.acked, a.counted = nil, nil, 0
}

// through lets the changes to come be made by a node.
func (a *adder) through(h holder) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = h
}

// goOn waits until each adder has had some more changes acknowledged.
func (a *adders) goOn() { a.t.Helper(); a.goOnBut(-1) }

// goOnBut does not wait for one.
func (a *adders) goOnBut(number int) {
	a.t.Helper()
	ctx := within(a.t)
	for i, one := range a.all {
		for want := one.acknowledged() + 5; i != number && one.acknowledged() < want; {
			select {
			case <-a.more:
			case <-ctx.Done():
				a.t.Fatalf("adder %d has stopped after %d changes", one.number, one.acknowledged())
			}
		}
	}
}

func (a *adder) acknowledged() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// end stops the adders: what was acknowledged is at all nodes in the end, and all have
// the same.
func (a *adders) end(all ...holder) {
	a.t.Helper()
	a.stop()
	a.ended.Wait()
	for _, one := range a.all {
		one.settle()
	}
	a.check(all...)
}

// check waits until all nodes have what they have to. Nobody adds meanwhile.
func (a *adders) check(all ...holder) {
	a.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ctx := within(a.t); ; <-again.C {
		err := a.compare(ctx, all)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			a.t.Fatalf("the nodes have not come to the same: %v", err)
		}
	}
}

func (a *adders) compare(ctx context.Context, all []holder) error {
	var sure, tried int64
	sets := make(map[string]bool)
	for _, one := range a.all {
		sure, tried = sure+one.sure, tried+one.tried
		for set := range one.sets {
			sets[set] = true
		}
	}
	var first int64
	for i, h := range all {
		total, err := h.total(ctx)
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		if i == 0 {
			first = total
		}
		if total != first || total < sure || total > tried {
			return fmt.Errorf("node %d has counted %d, the first one %d; %d were acknowledged, of %d", i, total, first, sure, tried)
		}
	}
	for set := range sets {
		if err := a.compareSet(ctx, set, all); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
	}
	return nil
}

func (a *adders) compareSet(ctx context.Context, set string, all []holder) error {
	var first []string
	for i, h := range all {
		elements, err := h.elements(ctx, set)
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		slices.Sort(elements)
		if i == 0 {
			first = elements
		}
		if !slices.Equal(elements, first) {
			return fmt.Errorf("node %d has %v, the first one %v", i, elements, first)
		}
	}
	for _, one := range a.all {
		for _, key := range slices.Sorted(maps.Keys(one.sets[set])) {
			e := one.sets[set][key]
			if _, there := slices.BinarySearch(first, key); !e.doubt && there != e.there {
				return fmt.Errorf("that %s is there is %v, and it was acknowledged that it is %v", key, there, e.there)
			}
		}
	}
	return nil
}
