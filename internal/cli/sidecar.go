package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
)

// sidecarSection has the settings of a sidecar alone.
const sidecarSection = "sidecar"

// sidecarOptions are the flags of mallee sidecar.
type sidecarOptions struct {
	load       func() (*config.Config, error)
	properties []string
	json       bool
}

func sidecarCommand() *cobra.Command {
	o := sidecarOptions{}
	c := &cobra.Command{
		Use:   "sidecar",
		Short: "Serve a user function: a program in any language with stateful entities",
		Long: `Serve a user function: a program in any language that speaks Cloudstate's
protocol. Its entities become actors: placed, stored, and reached over gRPC,
gRPC-Web, Connect and HTTP/JSON on one port. Run one sidecar beside each process
of the function. What mallee config lists can be set by a file and by variables
too; those of Cloudstate's proxy (USER_FUNCTION_PORT, HTTP_PORT, POSTGRES_…) are
understood as well.

  mallee sidecar                                    alone, nothing outlasts it
  mallee sidecar --store pebble:data                alone, with the embedded store
  mallee sidecar --pd pd1:2379,pd2:2379 --store postgres://… --listen 10.0.0.7:0

` + storeHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.load = configuredFrom(c, sidecarSection, usesOfSidecar, o.environ)
	f := c.Flags()
	f.BoolVar(&o.json, "json", false, "print the line of the start as JSON, and log in JSON")
	f.StringArrayVarP(&o.properties, "property", "D", nil, "property of the JVM, which Cloudstate's operator gives; config.resource chooses the store")
	_ = f.MarkHidden("property")
	completeChoice(c, "strict", sidecarSection+".strict")
	return c
}

func usesOfSidecar(name string) bool {
	section, _, _ := strings.Cut(name, ".")
	return slices.Contains([]string{sidecarSection, "tls", "log", "cluster", "name", "pd", "listen", "advertise", "admin", "labels", "store"}, section)
}

func (o *sidecarOptions) environ(environ []string) ([]string, error) {
	return cloudstateEnviron(environ, o.properties)
}

func (o *sidecarOptions) run(ctx context.Context, out, errOut io.Writer) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	if o.json {
		s.Log.Format = "json"
	}
	c, closeStore, err := sidecarConfig(ctx, s, slog.New(s.Log.Handler(errOut)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	return runSidecar(ctx, c, func(s *sidecar.Sidecar) error {
		return sidecarReady{true, s.Node().Name(), c.Function, s.Addr()}.write(out, o.json)
	})
}

// sidecarConfig is what the settings make of a sidecar.
func sidecarConfig(ctx context.Context, s *config.Config, log *slog.Logger) (c sidecar.Config, closeStore func() error, err error) {
	own := s.Sidecar
	c = sidecar.Config{
		Function: own.Function, Listen: own.HTTP, Management: unlessPortZero(own.Management), Metrics: unlessPortZero(own.Metrics),
		Broker: own.Broker, Strict: own.Strict == "on", RelayTimeout: own.RelayTimeout, Passivation: own.Passivation,
		MaxStreams: int(own.MaxStreams), MaxMessage: int(own.MaxMessage), Log: log,
	}
	secure, err := s.TLS.Config()
	if err != nil {
		return c, nil, &usageError{err}
	}
	c.Node = node.Config{
		Name: cmp.Or(s.Name, "sidecar"), Cluster: s.Cluster, Listen: s.Listen, Advertise: s.Advertise, Admin: s.Admin, Labels: s.Labels, TLS: secure,
	}
	switch {
	case s.Store == "" && len(s.PD) > 0:
		return c, nil, &usageError{errors.New("sidecars of a cluster have to share a store: set --store")}
	case s.Store == "":
		log.Warn("entities are kept in memory: nothing outlasts this process; set --store")
	}
	if c.Node.Store, err = openStore(ctx, cmp.Or(s.Store, "memory:")); err != nil {
		return c, nil, err
	}
	c.Node.Placement = placement.Solo(c.Node.Store)
	if len(s.PD) > 0 {
		c.Node.Placement = placement.DialWith(placement.DialConfig{Addrs: s.PD, Cluster: s.Cluster, TLS: secure, Log: log})
	}
	return c, c.Node.Store.Close, nil
}

// unlessPortZero is an address where something is served; port 0 means nowhere.
func unlessPortZero(addr string) string {
	if _, port, _ := net.SplitHostPort(addr); port == "0" {
		return ""
	}
	return addr
}

// runSidecar serves until ctx ends. Ready is called when clients are served
// first.
func runSidecar(ctx context.Context, c sidecar.Config, ready func(*sidecar.Sidecar) error) (err error) {
	s, err := sidecar.Start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endWithin(ctx, sidecarPatience, s.Stop)) }()
	if err := s.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := ready(s); err != nil {
		return err
	}
	select {
	case <-s.Done():
		return s.Err()
	case <-ctx.Done():
		return nil
	}
}

// sidecarPatience bounds a graceful end: 10 s for the calls in flight and as
// much for the entities to leave.
const sidecarPatience = 20 * time.Second

// sidecarReady is the line that says that a sidecar serves.
type sidecarReady struct {
	Ready    bool   `json:"ready"`
	Name     string `json:"name"`
	Function string `json:"function"`
	Addr     string `json:"addr"`
}

func (r sidecarReady) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out, "sidecar %s serves the user function at %s on %s\n", r.Name, r.Function, r.Addr)
	return err
}
