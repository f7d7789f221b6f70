// Command cluster is a node of a cluster: start as many as you like. It hosts
// Greeter, whose state is in the etcd of the placement drivers.
//
//	MALLEE_PD=127.0.0.1:2379 MALLEE_NAME=n1 go run ./examples/cluster
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage/etcd"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Greeter counts whom it has greeted.
//
//mallee:actor
type Greeter interface {
	Greet(ctx context.Context, name string) (greeting string, err error)
}

type greeter struct{ greeted *mallee.State[int] }

func newGreeter(self *mallee.Self) Greeter {
	return &greeter{mallee.NewState[int](self, "greeted")}
}

func (g *greeter) Greet(ctx context.Context, name string) (string, error) {
	g.greeted.Value++
	return fmt.Sprintf("Hello %s, you are number %d.", name, g.greeted.Value), g.greeted.Save(ctx)
}

// stopWithin is how long actors have to move to other nodes. What ends the
// process has to wait longer: TimeoutStopSec of systemd.
const stopWithin = 30 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// run is a node until ctx ends.
func run(ctx context.Context) error {
	config, _, err := node.Load() // mallee.yaml and MALLEE_…
	if err != nil {
		return err
	}
	config.Types = []mallee.Type{GreeterType(newGreeter)}
	if len(config.PD) > 0 { // else it is a cluster of its own, in memory
		store, err := etcd.Open(ctx, etcd.Config{Endpoints: config.PD, TLS: config.TLS})
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }() // each write has been answered
		config.Store = store
	}
	n, err := node.Start(ctx, config)
	if err != nil {
		return err
	}
	log.Printf("node %s (%s) is up", n.ID(), n.Name())
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return n.Stop(stopping)
}
