// Command serve is a node that hosts the stock, in the cluster of the sidecars.
//
//	MALLEE_PD=127.0.0.1:2379 go run ./examples/shoppingcart/stock/serve
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage/etcd"
)

// stopWithin is how long actors have to move to other nodes.
const stopWithin = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// serve is a node until ctx ends.
func serve(ctx context.Context) error {
	config, _, err := node.Load() // mallee.yaml and MALLEE_…
	if err != nil {
		return err
	}
	config.Types = stock.Types()
	store, err := etcd.Open(ctx, etcd.Config{Endpoints: config.PD, TLS: config.TLS})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // each write has been answered
	config.Store = store
	n, err := node.Start(ctx, config)
	if err != nil {
		return err
	}
	log.Printf("node %s (%s) has the stock", n.ID(), n.Name())
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return n.Stop(stopping)
}
