// Command serve runs the bank behind an HTTP API with a docs page.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/mallee-io/mallee/examples/bank"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage/pebble"
)

func main() {
	data := flag.String("data", "bank-data", "directory of the accounts")
	listen := flag.String("listen", "127.0.0.1:8081", "address of the HTTP API")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := serve(ctx, *data, *listen)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, data, listen string) (err error) {
	store, err := pebble.Open(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	n, err := node.Start(ctx, node.Config{Name: "bank", Types: bank.Types(), Store: store})
	if err != nil {
		return err
	}
	stopping := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	}
	defer func() {
		ctx, cancel := stopping()
		defer cancel()
		err = errors.Join(err, n.Stop(ctx))
	}()
	api, err := httpapi.New(httpapi.Config{Caller: n, Types: n.Types(), Title: "Bank"})
	if err != nil {
		return err
	}
	server := httpapi.ServerTimeouts(&http.Server{Addr: listen, Handler: api})
	go func() {
		<-ctx.Done()
		ctx, cancel := stopping()
		defer cancel()
		_ = server.Shutdown(ctx) // what is left is cut off when the process ends
	}()
	fmt.Printf("the bank is open: http://%s/docs\n", listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
