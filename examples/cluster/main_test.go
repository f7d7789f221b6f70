package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement/pd"
)

// patience bounds what takes a moment.
const patience = time.Minute

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Two nodes that are told of a cluster by the environment alone, one after the
// other: the second one knows what the first one has kept.
func TestNodesOfACluster(t *testing.T) {
	driver, err := pd.Start(t.Context(), pd.Config{Dir: t.TempDir(), Listen: freePort(t), PeerListen: freePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = driver.Stop(context.Background()) }()
	t.Setenv("MALLEE_PD", driver.Addr())
	client, err := node.Start(t.Context(), node.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Stop(context.Background()) }()
	for _, want := range []string{"Hello Ada, you are number 1.", "Hello Ada, you are number 2."} {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx) }()
		if got, err := greet(t.Context(), client); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// greet tries until a node hosts the actor.
func greet(ctx context.Context, client *node.Node) (greeting string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		greeting, err = GreeterOf(client, "reception").Greet(ctx, "Ada")
		if !errors.Is(err, mallee.ErrNotFound) || ctx.Err() != nil {
			return greeting, err
		}
	}
}
