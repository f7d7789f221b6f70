// Command mallee runs, generates and inspects systems of actors.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/procs"
)

func main() {
	procs.Hold()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
