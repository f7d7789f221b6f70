// Command serve runs the arena: a node that hosts its actors, a gateway, and the
// page. Alone it is a cluster of its own; as many as you like make a larger one:
//
//	mallee pd
//	go run ./examples/arena/serve -name n1 -pd 127.0.0.1:2379 -http 127.0.0.1:8082
//	go run ./examples/arena/serve -name n2 -pd 127.0.0.1:2379 -http 127.0.0.1:8083
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/pebble"
)

// options are the flags.
type options struct {
	http, name, pd, data, secret string
}

func main() {
	var o options
	flag.StringVar(&o.http, "http", "127.0.0.1:8082", "address of the page and the gateway")
	flag.StringVar(&o.name, "name", "", "name of the node")
	flag.StringVar(&o.pd, "pd", "", "addresses of the placement drivers; without any, the node is a cluster of its own")
	flag.StringVar(&o.data, "data", "arena-data", "directory of the scores, where the node is alone; a cluster keeps them in the etcd of its placement drivers")
	flag.StringVar(&o.secret, "secret", "a secret of the arenas", "what all of the cluster have in common, so that a player who loses one goes on at another")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.serve(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

// stopWithin is how long the players and their actors have to go elsewhere.
const stopWithin = 30 * time.Second

func (o *options) serve(ctx context.Context) (err error) {
	config, _, err := node.Load() // mallee.yaml and MALLEE_…
	if err != nil {
		return err
	}
	config.Name = cmp.Or(o.name, config.Name, "arena")
	if o.pd != "" {
		config.PD = strings.Split(o.pd, ",")
	}
	if config.Store, err = o.open(ctx, &config); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, config.Store.Close()) }()
	config.Types = arena.Types(config.Name)
	n, err := node.Start(ctx, config)
	if err != nil {
		return err
	}
	stopping := context.WithoutCancel(ctx)
	defer func() { err = errors.Join(err, within(stopping, n.Stop)) }()
	accounts, err := login.NewAccounts(n, arena.AccountsActor)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{Node: n, Login: accounts, Alone: true, Secrets: [][]byte{[]byte(o.secret)}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(stopping, g.Drain), within(stopping, g.Stop)) }()
	server := &http.Server{Addr: o.http, Handler: arena.Handler(g), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = within(stopping, server.Shutdown) // it leaves the gateway's connections
	}()
	fmt.Printf("the arena is open: http://%s/\n", o.http)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// open opens the store that all nodes have in common.
func (o *options) open(ctx context.Context, c *node.Config) (storage.Store, error) {
	if len(c.PD) > 0 {
		return etcd.Open(ctx, etcd.Config{Endpoints: c.PD, TLS: c.TLS})
	}
	return pebble.Open(o.data)
}

func within(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	return end(ctx)
}
