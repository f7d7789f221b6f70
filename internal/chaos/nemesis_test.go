package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/internal/chaos"
)

// paper is a cluster that only knows what has been done to it.
type paper struct {
	mu       sync.Mutex
	down     map[string]bool
	paused   map[string]bool
	cordoned map[string]bool
	done     []string
	worst    int   // most PDs that were down or paused at once
	fails    error // of Kill, once it has killed
}

func newPaper() *paper {
	return &paper{down: make(map[string]bool), paused: make(map[string]bool), cordoned: make(map[string]bool)}
}

func (p *paper) set(state map[string]bool, process, what string, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if state[process] == on {
		return fmt.Errorf("%s %s is done twice", what, process)
	}
	state[process] = on
	p.done = append(p.done, what+" "+process)
	gone := 0
	for _, pd := range p.PDs() {
		if p.down[pd] || p.paused[pd] {
			gone++
		}
	}
	p.worst = max(p.worst, gone)
	return nil
}

func (p *paper) PDs() []string { return []string{"pd1", "pd2", "pd3"} }

func (p *paper) Leader(context.Context) (string, error) { return "pd2", nil }

func (p *paper) Kill(process string) error {
	return errors.Join(p.set(p.down, process, "kill", true), p.fails)
}
func (p *paper) Stop(_ context.Context, process string) error {
	return p.set(p.down, process, "stop", true)
}
func (p *paper) Start(_ context.Context, process string) error {
	return p.set(p.down, process, "start", false)
}
func (p *paper) Pause(process string) error  { return p.set(p.paused, process, "pause", true) }
func (p *paper) Resume(process string) error { return p.set(p.paused, process, "resume", false) }
func (p *paper) Drain(_ context.Context, node string) error {
	return p.set(p.cordoned, node, "drain", true)
}
func (p *paper) Uncordon(_ context.Context, node string) error {
	return p.set(p.cordoned, node, "uncordon", false)
}

func (p *paper) Drop(string) error { return nil }

// whole fails the test if anything is still broken.
func (p *paper) whole(t *testing.T) {
	t.Helper()
	for _, state := range []map[string]bool{p.down, p.paused, p.cordoned} {
		for process, broken := range state {
			if broken {
				t.Errorf("%s is still broken after %q", process, p.done)
			}
		}
	}
}

func nemesis(t *testing.T, p *paper) (n *chaos.Nemesis, dir string) {
	t.Helper()
	dir = t.TempDir()
	recorder, err := chaos.NewRecorder(dir, chaos.Header{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = recorder.Close() })
	return &chaos.Nemesis{Cluster: p, Links: chaos.NewLinks(), Record: recorder, Tell: func(chaos.Fault) {}}, dir
}

func TestNemesisUndoesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		n, dir := nemesis(t, p)
		plan := slices.DeleteFunc(chaos.Plan(3, time.Hour, whole), func(s chaos.Step) bool {
			return slices.ContainsFunc(s, func(f chaos.Fault) bool { return f.Kind == chaos.KillPDs || f.Kind == chaos.PausePDs })
		})
		if err := n.Run(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		p.whole(t)
		if p.worst != 1 {
			t.Errorf("%d PDs were down at once", p.worst)
		}
		if err := n.Record.Close(); err != nil {
			t.Fatal(err)
		}
		h, err := chaos.ReadHistory(dir)
		if err != nil || len(h.Faults) != len(slices.Concat(plan...)) {
			t.Errorf("%d faults of %d are in the history, %v", len(h.Faults), len(slices.Concat(plan...)), err)
		}
	})
}

// However a run is ended, and whatever fails, nothing stays broken.
func TestNemesisThatIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, f := range slices.Concat(chaos.Plan(1, 2*time.Minute, whole)...)[:len(chaos.Kinds())] {
		t.Run(string(f.Kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPaper()
				n, _ := nemesis(t, p)
				ctx, cancel := context.WithCancel(t.Context())
				n.Tell = func(chaos.Fault) { cancel() }
				start := time.Now()
				if err := n.Run(ctx, []chaos.Step{{f}, {f}}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != f.After {
					t.Errorf("took %v", took)
				}
				p.whole(t)
			})
		})
	}
}

// The faults of a step overlap, and each is undone by itself.
func TestNemesisDoesTwoAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		n, _ := nemesis(t, p)
		plan := []chaos.Step{{
			{Kind: chaos.KillNode, Process: "node1", After: time.Second, For: 3 * time.Second},
			{Kind: chaos.PauseLeader, After: 2 * time.Second, For: 3 * time.Second},
		}, {{Kind: chaos.KillPD, Process: "pd1", For: time.Second}}}
		if err := n.Run(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		want := []string{"kill node1", "pause pd2", "start node1", "resume pd2", "kill pd1", "start pd1"}
		if !slices.Equal(p.done, want) {
			t.Errorf("got  %q\nwant %q", p.done, want)
		}
	})
}

func TestNemesisThatCannotKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		p.fails = errors.New("no right to")
		n, _ := nemesis(t, p)
		if err := n.Run(t.Context(), []chaos.Step{{{Kind: chaos.KillPDs, For: time.Hour}}}); !errors.Is(err, p.fails) {
			t.Errorf("got %v", err)
		}
		p.whole(t)
	})
}
