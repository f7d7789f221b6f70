package clustertest_test

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/procs"
)

// The clusters of some tests are processes of this program.
func TestMain(m *testing.M) {
	if procs.Hold() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// Clients talk to their actors while processes are killed and restarted. What
// must never be is judged by package chaos: messages lost in silence, or twice,
// clients that get nowhere, connections cut without need, losses in drains.
func TestSessionsSurvive(t *testing.T) {
	t.Parallel()
	if os.Getenv("MALLEE_TEST_SESSIONS") == "" {
		t.Skip("takes a minute, and the machine for itself: set MALLEE_TEST_SESSIONS, as .ci/run chaos does")
	}
	for _, test := range []struct {
		kind    chaos.Kind
		further func(t *testing.T, s *chaos.Sessions)
	}{
		{chaos.KillGateway, func(t *testing.T, s *chaos.Sessions) {
			if s.Cuts == 0 {
				t.Error("no client was cut off")
			}
		}},
		{chaos.RollGateway, nothingLost},
		{chaos.KillNode, func(t *testing.T, s *chaos.Sessions) {
			if s.Cuts+s.Epochs > 0 {
				t.Errorf("%d connections were cut, and %d epochs begun", s.Cuts, s.Epochs)
			}
		}},
		{chaos.RollNode, nothingLost},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			s, v, err := chaos.Run(t.Context(), chaos.RunConfig{
				Dir: t.TempDir(), Length: 13 * time.Second, Seed: 1, Nodes: 3, PDs: 1, Gateways: 2, Clients: 16, Callers: 1, Lease: 5 * time.Second,
				Only: []chaos.Kind{test.kind}, Tell: func(chaos.Fault, int64, int64) {},
			})
			if err != nil {
				t.Fatal(err)
			}
			if !s.Clean() || s.Faults[test.kind] == 0 || s.Sessions.Said == 0 {
				t.Errorf("%+v, %+v: %q", s, s.Sessions, v.Findings)
			}
			test.further(t, s.Sessions)
		})
	}
}

func nothingLost(t *testing.T, s *chaos.Sessions) {
	t.Helper()
	if s.Lost+s.Epochs+s.Unsure > 0 {
		t.Errorf("clients were told of losses: %+v", s)
	}
}
