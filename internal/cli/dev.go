package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
)

// devOptions are the flags of mallee dev.
type devOptions struct {
	listen string
	port   int
	data   string
	broker string
	admin  string
}

func devCommand() *cobra.Command {
	o := devOptions{}
	c := &cobra.Command{
		Use:   "dev [flags] -- CMD [ARGS…]",
		Short: "Start a user function, and a cluster of one process that serves it",
		Long: `Start a user function and serve it, with the embedded store beside it: all that
its development needs. The function gets the variables HOST and PORT; those that
pay no heed to them listen on 8080, which is tried first. What it prints stands
among the lines here, and when one of the two ends so does the other.

  mallee dev -- node index.js
  mallee dev --data memory: -- go run ./cart`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("what starts the user function? mallee dev -- CMD [ARGS…]")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.SetInterspersed(false) // what comes after CMD is CMD's
	f.StringVar(&o.listen, "http", "127.0.0.1:9000", "address for clients: gRPC, gRPC-Web, Connect and HTTP/JSON")
	f.IntVar(&o.port, "port", 0, "port of the user function (default: 8080, or a free one when it is taken)")
	f.StringVar(&o.data, "data", "mallee-dev", "directory or store URL that keeps the entities; memory: forgets them")
	f.StringVar(&o.broker, "broker", "", "URL of the broker of topics, nats://HOST:PORT or kafka://HOST:PORT,…")
	f.StringVar(&o.admin, "admin", "", "address of health, metrics and profiles (default: none)")
	return c
}

func (o *devOptions) run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	port, err := o.functionPort(ctx)
	if err != nil {
		return err
	}
	store, closeStore, err := openData(ctx, o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	log := slog.New(slog.NewTextHandler(errOut, nil))
	function := net.JoinHostPort("127.0.0.1", port)
	config := sidecar.Config{
		Function: function, Listen: o.listen, Broker: o.broker, Log: log,
		Node: node.Config{Name: "dev", Store: store, Placement: placement.Solo(store), Admin: o.admin},
	}
	child := procs.Attached{Args: args, Env: []string{"HOST=127.0.0.1", "PORT=" + port}, Out: out, Err: errOut, Patience: childPatience}
	// The function ends last, since entities that end speak with it.
	life, endFunction := context.WithCancel(context.WithoutCancel(ctx))
	defer endFunction()
	serving, endServing := context.WithCancel(ctx)
	defer endServing()
	ended := make(chan error, 1)
	go func() {
		ended <- child.Run(life)
		endServing()
	}()
	err = runSidecar(serving, config, func(s *sidecar.Sidecar) error {
		_, err := fmt.Fprintf(out, "serving the user function at %s: http://%s (gRPC, gRPC-Web, Connect, HTTP/JSON); entities are kept in %s\n", function, s.Addr(), o.data)
		return err
	})
	endFunction()
	return errors.Join(err, <-ended)
}

// childPatience bounds how long a user function takes to end.
const childPatience = 5 * time.Second

// usualPort is where user functions listen that nobody tells otherwise.
const usualPort = 8080

// functionPort is a port on which nothing listens.
func (o *devOptions) functionPort(ctx context.Context) (string, error) {
	if o.port != 0 {
		return fmt.Sprint(o.port), nil
	}
	var config net.ListenConfig
	for _, port := range []int{usualPort, 0} {
		l, err := config.Listen(ctx, "tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			continue
		}
		_, free, _ := net.SplitHostPort(l.Addr().String())
		return free, l.Close()
	}
	return "", errors.New("no port is free for the user function; choose one with --port")
}
