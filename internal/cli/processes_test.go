package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/storage/postgres/postgrestest"
)

// The clusters of tests are processes of this program.
func TestMain(m *testing.M) {
	if procs.Hold() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestDemoOfProcesses(t *testing.T) {
	t.Parallel()
	code, out, errOut := run(t, "demo", "--processes", "2", "--for", "1s", "--players", "10", "--listen", "127.0.0.1:0", "--json")
	var s struct{ Calls, Errors, Active int }
	if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil || s.Calls == 0 || s.Errors != 0 || s.Active < 10 {
		t.Errorf("status %d, %s, %v, %s", code, out, err, errOut)
	}
}

// Seed 446 begins with a node that is killed while the leader of the placement
// driver is gone, and a link that is cut one way.
func TestChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	dir := filepath.Join(t.TempDir(), "run")
	code, out, errOut := run(t, "chaos", "--for", "8s", "--seed", "446", "--gateways", "0", "--json", "--dir", dir)
	var s struct {
		Calls     int
		LostAcks  int            `json:"lost_acks"`
		Nonlinear int            `json:"nonlinearizable"`
		Faults    map[string]int `json:"faults"`
		Failover  map[string]int `json:"failover_ms"`
	}
	err := json.Unmarshal([]byte(out), &s)
	if code != 0 || err != nil || s.Calls == 0 || s.LostAcks+s.Nonlinear != 0 || s.Faults["kill_node"] == 0 || s.Failover["p99"] == 0 {
		t.Errorf("status %d, %s, %v, %s", code, out, err, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "history.jsonl")); err != nil {
		t.Error(err)
	}
}

// Nodes that are restarted while PostgreSQL keeps what they write.
func TestChaosOnPostgres(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	server := postgrestest.Start(t)
	code, out, errOut := run(t, "chaos", "--for", "8s", "--seed", "1", "--gateways", "0", "--json", "--storage", server.URL(), "--only", "roll_node,drain_node,kill_node,restart_leader")
	var s struct{ Calls int }
	if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil || s.Calls == 0 {
		t.Errorf("status %d, %s, %v, %s", code, out, err, errOut)
	}
}

func TestProcessesRefuse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"demo --processes -1", "--processes -1"},
		{"demo --processes 21", "--processes 21"},
		{"demo --processes 2 --data x", "use --storage"},
		{"demo --processes 2 --storage pebble:x", "cannot share"},
		{"demo --storage etcd", "--data"},
		{"chaos --processes 0", "--processes 0"},
		{"chaos --storage memory:", "cannot share"},
		{"chaos --for 1ms", "--for 1ms"},
		{"chaos --lease 1ms", "--lease 1ms"},
		{"chaos --callers 0", "--callers 0"},
		{"chaos --clients 0", "--clients 0"},
		{"chaos --gateways -1", "--gateways -1"},
		{"chaos --only kill_node,fire", "--only fire"},
	} {
		code, out, errOut := run(t, strings.Fields(test.args)...)
		if code != 2 || out != "" || !strings.Contains(errOut, test.want) {
			t.Errorf("%s: status %d, %q, %q", test.args, code, out, errOut)
		}
	}
}
