// Command echohttp answers GET /echo/{msg} through an actor, with net/http
// alone: handlers call references like any other code.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Echoer answers with what it is told.
//
//mallee:actor
type Echoer interface {
	Echo(ctx context.Context, msg string) (string, error)
}

type echoer struct{}

func newEchoer(*mallee.Self) Echoer { return echoer{} }

func (echoer) Echo(_ context.Context, msg string) (string, error) { return msg, nil }

func handler(c mallee.Caller) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /echo/{msg}", func(w http.ResponseWriter, r *http.Request) {
		answer, err := EchoerOf(c, "http").Echo(r.Context(), r.PathValue("msg"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, answer)
	})
	return mux
}

func run(ctx context.Context, address string) error {
	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{EchoerType(newEchoer)}})
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, Handler: handler(n), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
	}()
	fmt.Printf("try: curl http://%s/echo/hello\n", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return n.Stop(context.WithoutCancel(ctx))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "127.0.0.1:8000"); err != nil {
		log.Print(err)
	}
}
