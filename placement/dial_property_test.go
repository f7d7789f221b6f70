package placement_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Nodes locate and release while streams are lost and leaders change. At no
// time do two of them hold an actor, and every Locate ends.
func TestDialHoldsEachActorOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t, 3)
		defer func() {
			for _, p := range f.procs {
				p.server.Stop()
			}
		}()
		seed := rapid.Uint64().Draw(r, "seed")
		w := &holders{held: make(map[int]placement.Grant), newest: make(map[int]uint64)}
		var nodes []node
		for i := range 3 {
			nodes = append(nodes, f.join(fmt.Sprint(i), nil))
		}
		stop := make(chan struct{})
		var busy sync.WaitGroup
		for i, n := range nodes {
			for j := range 3 {
				random := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
				busy.Go(func() { w.use(t, i, n, random, stop) })
			}
		}
		for _, fault := range rapid.SliceOfN(rapid.IntRange(0, 9), 4, 10).Draw(r, "faults") {
			switch {
			case fault < 3:
				f.lead(fault)
			case fault < 4:
				f.lead(-1)
			case fault < 7:
				f.mu.Lock()
				f.cut(nodes[fault-4].id)
				f.mu.Unlock()
			default:
				w.progress(f)
			}
		}
		f.lead(1)
		close(stop)
		busy.Wait()
		for _, n := range nodes {
			n.locate(t, "last")
			if err := n.Leave(ctx(t), n.id); err != nil {
				t.Error(err)
			}
		}
	})
}

// holders knows who uses which actor.
type holders struct {
	using [3][8]sync.Mutex // by node and actor

	mu     sync.Mutex
	held   map[int]placement.Grant
	newest map[int]uint64 // epoch
	n      int
}

// use locates actors at random, and releases those which the node itself has.
func (w *holders) use(t *testing.T, i int, n node, random *rand.Rand, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		key := random.IntN(len(w.using[0]))
		limited, cancel := context.WithTimeout(t.Context(), patience)
		if random.IntN(4) == 0 {
			cancel() // who gives up at once must do no harm
		}
		using := &w.using[i][key]
		alone := using.TryLock() // as an activation is
		g, err := n.Locate(limited, n.id, id(fmt.Sprint(key)))
		cancel()
		if err != nil && !errors.Is(err, mallee.ErrCanceled) {
			t.Errorf("%d: %v", key, err)
		}
		if err == nil && alone && g.Node == n.id {
			w.enter(t, key, g)
			runtime.Gosched()
			w.leave(key)
			_ = n.Release(limited, id(fmt.Sprint(key)), g, placement.NodeID(random.IntN(4)))
		}
		if alone {
			using.Unlock()
		}
	}
}

func (w *holders) enter(t *testing.T, key int, g placement.Grant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	if other, taken := w.held[key]; taken {
		t.Errorf("%d is held by %+v and %+v", key, other, g)
	}
	if g.Epoch <= w.newest[key] {
		t.Errorf("%d is held with epoch %d after %d", key, g.Epoch, w.newest[key])
	}
	w.held[key], w.newest[key] = g, g.Epoch
}

func (w *holders) leave(key int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.held, key)
}

// progress waits until some more actors have been used.
func (w *holders) progress(f *fake) {
	f.mu.Lock()
	leads := f.leader >= 0
	f.mu.Unlock()
	if !leads {
		return
	}
	w.mu.Lock()
	goal := w.n + 10
	w.mu.Unlock()
	f.await("progress", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.n >= goal
	})
}

// Nothing is left behind by a node that has left or was fenced. This test is
// not parallel, since it looks at the whole process.
func TestDialLeavesNothing(t *testing.T) {
	f := newFake(t, 2)
	a, b := f.join("a", nil), f.join("b", nil)
	a.locate(t, "1")
	if _, err := a.Members(ctx(t)); err != nil {
		t.Fatal(err)
	}
	if err := a.Leave(ctx(t), a.id); err != nil {
		t.Fatal(err)
	}
	f.expire(b.id)
	if err := b.Renew(ctx(t), b.id, placement.Status{}); !errors.Is(err, mallee.ErrFenced) {
		t.Fatal(err)
	}
	for _, p := range f.procs {
		p.server.Stop()
	}
	for end := time.Now().Add(patience); ; runtime.Gosched() { // goroutines that have said that they are done are still there for a moment
		stacks := goroutines()
		if stacks == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(stacks)
		}
	}
}

// goroutines of the package and of its connections.
func goroutines() (all string) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "mallee/placement.(*") || strings.Contains(stack, "google.golang.org/grpc") {
			all += stack + "\n\n"
		}
	}
	return all
}
