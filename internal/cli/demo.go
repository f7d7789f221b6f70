package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/node"
)

// demoOptions are the flags of mallee demo.
type demoOptions struct {
	listen    string
	data      string
	processes int
	storage   string
	players   int
	length    time.Duration
	json      bool
	fixed     bool // listen was chosen by the user
}

func demoCommand() *cobra.Command {
	o := demoOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run two small games: one to play in a page, one that lives by itself",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.fixed = cmd.Flags().Changed("listen")
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the HTTP API; any free port when the default one is taken")
	c.Flags().StringVar(&o.data, "data", "", "directory or store URL that keeps the players' bags (default: a temporary directory)")
	c.Flags().IntVar(&o.processes, "processes", 0, "run this many nodes, and three placement drivers, as processes of their own (default: everything in this process)")
	c.Flags().StringVar(&o.storage, "storage", "", "with --processes: URL of the store of the nodes (default: the etcd of the placement drivers)")
	c.Flags().IntVar(&o.players, "players", 100, "players in the crowd")
	c.Flags().DurationVar(&o.length, "for", 0, "end after this time (default: run until Ctrl-C)")
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON summary at the end and nothing else")
	return c
}

func (o *demoOptions) run(ctx context.Context, out, errOut io.Writer) (err error) {
	if o.players < 1 || o.players > 100_000 {
		return &usageError{fmt.Errorf("--players %d is not between 1 and 100000", o.players)}
	}
	open := o.alone
	if o.processes != 0 || o.storage != "" {
		open = o.spread
	}
	log := slog.New(slog.NewTextHandler(errOut, nil))
	stage, err := open(ctx, log)
	if err != nil {
		return err
	}
	listener, err := o.bind(ctx)
	if err != nil {
		return errors.Join(err, stage.close())
	}
	doors, err := openDoors(stage.node, log)
	if err != nil {
		return errors.Join(err, listener.Close(), stage.close())
	}
	server := httpapi.ServerTimeouts(&http.Server{Handler: doors})
	go func() { _ = server.Serve(listener) }() // ends with Shutdown
	if !o.json {
		welcome(out, "http://"+listener.Addr().String(), stage.note)
	}
	total := o.play(ctx, stage, out)
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := errors.Join(server.Shutdown(shutdown), doors.gateway.Stop(shutdown), stage.close()); err != nil {
		return err
	}
	if o.json {
		if err := json.NewEncoder(out).Encode(total); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "\n%d calls, %d failed, p50 %d µs, p99 %d µs\n", total.Calls, total.Errors, total.P50, total.P99)
	}
	if total.Errors > 0 {
		return fmt.Errorf("%d of %d calls failed, the first one with: %s", total.Errors, total.Calls, total.FirstError)
	}
	return nil
}

// demoStage is what the crowd of the demo plays on.
type demoStage struct {
	node   *node.Node
	active func() int64 // actors that are active
	note   string       // for people, after a line's end
	close  func() error
}

// alone is a node in this process.
func (o *demoOptions) alone(ctx context.Context, log *slog.Logger) (*demoStage, error) {
	store, closeStore, err := openData(ctx, o.data)
	if err != nil {
		return nil, err
	}
	n, err := node.Start(ctx, node.Config{Name: "demo", Types: slices.Concat(game.Types(), arena.Types("demo")), Store: store, Log: log})
	if err != nil {
		return nil, errors.Join(err, closeStore())
	}
	return &demoStage{
		node: n, active: func() int64 { return n.Stats().Active },
		close: func() error { return errors.Join(stopDemo(ctx, n), closeStore()) },
	}, nil
}

func stopDemo(ctx context.Context, n *node.Node) error {
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return n.Stop(stopping)
}

// bind listens where the user said or, by default, wherever it can.
func (o *demoOptions) bind(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", o.listen)
	if err != nil && !o.fixed {
		return config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --listen", err)
	}
	return l, nil
}

func welcome(out io.Writer, url, note string) {
	fmt.Fprintf(out, `A small game of players, rooms and a leaderboard is running.

  arena  %[1]s/arena/  (play: open it in two windows)
  docs   %[1]s/docs/
  try    curl -X POST %[1]s/actors/Player/1001/Give -d '{"item":"sword","n":1}'
         curl -X POST %[1]s/actors/Leaderboard/world/Top -d '{"n":3}'
%[2]s
Ctrl-C ends it.

`, url, note)
}

// summary is what the demo prints of itself.
type summary struct {
	Calls      uint64 `json:"calls"`
	Errors     uint64 `json:"errors"`
	P50        int64  `json:"p50_us"`
	P99        int64  `json:"p99_us"`
	Active     int64  `json:"active"`
	FirstError string `json:"first_error,omitempty"`
}

// play lets the crowd play until ctx ends or the time is over, and prints a
// line of figures each second.
func (o *demoOptions) play(ctx context.Context, stage *demoStage, out io.Writer) summary {
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	crowd := newCrowd(stage.node)
	done := make(chan struct{})
	go func() {
		crowd.play(ctx, o.players)
		close(done)
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return crowd.total(stage.active())
		case <-tick.C:
			if now := crowd.lastSecond(stage.active()); !o.json {
				fmt.Fprintf(out, "%8d calls/s   p50 %5d µs   p99 %6d µs   %5d active actors   %d errors\n",
					now.Calls, now.P50, now.P99, now.Active, now.Errors)
			}
		}
	}
}
