package local_test

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/internal/procs"
)

const patience = time.Minute

// The processes of a cluster are this program.
func TestMain(m *testing.M) {
	if procs.Hold() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// ends collects the lives that have ended, with + if they were asked to.
type ends struct {
	mu   sync.Mutex
	list []string
}

func (e *ends) note(life string, asked bool, _ error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if asked {
		life += "+"
	}
	e.list = append(e.list, life)
}

func (e *ends) want(t *testing.T, lives ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.list, lives) {
		t.Errorf("%q have ended, not %q", e.list, lives)
	}
}

func names(c *local.Cluster) (running []string) {
	for _, p := range c.Processes() {
		running = append(running, p.Name)
	}
	return running
}

func TestCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var e ends
	c, err := local.New(local.Config{Dir: t.TempDir(), PDs: 1, Nodes: 2, Lease: 5 * time.Second, Types: "game", Exited: e.note})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(names(c)) != 0 {
		t.Errorf("%q run before StartAll", names(c))
	}
	if err := c.StartAll(ctx); err != nil {
		t.Fatal(err)
	}
	if leader, err := c.Leader(ctx); err != nil || leader != "pd1" {
		t.Errorf("%q leads, %v", leader, err)
	}
	if actors, err := c.Actors(ctx); err != nil || actors != 0 {
		t.Errorf("%d actors, %v", actors, err)
	}
	if err := c.Drain(ctx, "node1"); err != nil {
		t.Error(err)
	}
	if err := c.Uncordon(ctx, "node1"); err != nil {
		t.Error(err)
	}
	if err := c.Kill("node1"); err != nil {
		t.Error(err)
	}
	if err := c.Stop(ctx, "node2"); err != nil {
		t.Error(err)
	}
	e.want(t, "node1.1+", "node2.1+")
	if got := names(c); !slices.Equal(got, []string{"pd1"}) {
		t.Errorf("%q run", got)
	}
	for range 2 { // a process that runs is left alone
		if err := c.Start(ctx, "node1"); err != nil {
			t.Fatal(err)
		}
	}
	if life := c.Life("node1"); life != "node1.2" {
		t.Errorf("node1 is in its life %s", life)
	}
	c.Close()
	if got := names(c); len(got) != 0 {
		t.Errorf("%q run after Close", got)
	}
}

func TestClusterHasNoSuchProcess(t *testing.T) {
	t.Parallel()
	c, err := local.New(local.Config{Dir: t.TempDir(), PDs: 1, Nodes: 1, Lease: time.Second, Types: "game"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"start": c.Start(t.Context(), "node2"), "kill": c.Kill("node1"), "stop": c.Stop(t.Context(), "node1"),
		"pause": c.Pause("node1"), "resume": c.Resume("node1"),
	} {
		if err == nil || !strings.Contains(err.Error(), "process") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Everything that others are told goes through Front, so that it can be cut.
func TestClusterWithFronts(t *testing.T) {
	t.Parallel()
	fronts := make(map[string]int)
	c, err := local.New(local.Config{
		Dir: t.TempDir(), PDs: 3, Nodes: 2, Lease: time.Second, Types: "game",
		Front: func(process, _ string) (string, error) {
			fronts[process]++
			return "front-of-" + process, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if fronts["pd2"] != 2 || fronts["node2"] != 1 || fronts[local.StoreName] != 3 {
		t.Errorf("fronts: %v", fronts)
	}
	if store := c.Store(); store != "etcd://front-of-store,front-of-store,front-of-store" {
		t.Errorf("the store is %s", store)
	}
	if pds := c.PDAddrs(); !slices.Equal(pds, []string{"front-of-pd1", "front-of-pd2", "front-of-pd3"}) {
		t.Errorf("the placement drivers are %q", pds)
	}
}
