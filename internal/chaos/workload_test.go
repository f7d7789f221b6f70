package chaos_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/node"
)

// play has a crowd call for a time, during which the test may break things, and
// judges what it saw.
func play(t *testing.T, dir string, caller mallee.Caller, during func()) (*chaos.History, chaos.Verdict) {
	t.Helper()
	recorder, err := chaos.NewRecorder(dir, chaos.Header{Seed: 1, Lease: malleetest.LeaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	w := &chaos.Workload{Caller: caller, Record: recorder, Seed: 1, Workers: 8, Actors: 4, Think: 100 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		w.Run(ctx)
		close(done)
	}()
	during()
	<-done
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := chaos.ReadHistory(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := chaos.Check(h)
	if err != nil {
		t.Fatal(err)
	}
	return h, v
}

func turnFile(t *testing.T, dir, process string) *chaos.TurnFile {
	t.Helper()
	file, err := chaos.NewTurnFile(dir, process)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// A cluster in memory that loses a node in the middle keeps its promises.
func TestWorkloadOfACluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := malleetest.Start(t, 3, crowd.Types(turnFile(t, dir, "all.1"))...)
		h, v := play(t, dir, c.Client(), func() {
			time.Sleep(10 * time.Second)
			c.Kill(1)
			time.Sleep(10 * time.Second)
			c.Restart(1)
		})
		s := chaos.Summarize(h, v)
		if !s.Clean() || s.Replicated == nil || s.Replicated.Copies == 0 || s.Calls < 1000 || len(h.Turns) < 1000 || s.Failed > s.Calls/10 {
			t.Errorf("%+v, %d turns: %q", s, len(h.Turns), v.Findings)
		}
	})
}

// split sends calls to two nodes that know nothing of each other.
type split struct {
	nodes [2]*node.Node
	next  atomic.Int64
}

func (s *split) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	return s.nodes[s.next.Add(1)%2].Invoke(ctx, id, call)
}

// Two clusters that believe to be one are found out in every way.
func TestWorkloadOfASplitCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir, s := t.TempDir(), &split{}
		for i := range s.nodes {
			n, err := node.Start(t.Context(), node.Config{Types: crowd.Types(turnFile(t, dir, local.LifeName(local.NodeName(i), 1)))})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = n.Stop(context.WithoutCancel(t.Context())) }()
			s.nodes[i] = n
		}
		if _, v := play(t, dir, s, func() {}); v.LostAcks == 0 || v.Replicated.Clean() || v.DoubleActivations == 0 || v.Nonlinearizable == 0 {
			t.Errorf("got %+v", v)
		}
	})
}
