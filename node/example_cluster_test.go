package node_test

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage/etcd"
)

// A node of a cluster. Addresses can come from MALLEE_PD, MALLEE_LISTEN and so
// on instead: see Load.
func Example_cluster() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	store, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{"pd1:2379", "pd2:2379", "pd3:2379"}})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = store.Close() }() // each write has been answered
	n, err := node.Start(ctx, node.Config{
		Name:      "n1",
		Types:     game.Types(),
		Store:     store, // all nodes share it
		Placement: placement.Dial("pd1:2379,pd2:2379,pd3:2379"),
		Listen:    "10.0.0.7:7000",
		Labels:    map[string]string{"zone": "a"},
	})
	if err != nil {
		log.Print(err)
		return
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.Stop(stopping); err != nil { // its actors are elsewhere now
		log.Print(err)
	}
}

// A client hosts nothing, so it needs no store.
func ExampleStart_client() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Placement: placement.Dial("pd1:2379,pd2:2379,pd3:2379")})
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = n.Stop(ctx) }()
	total, err := game.PlayerOf(n, "1001").Give(ctx, "sword", 1)
	log.Print(total, err)
}
