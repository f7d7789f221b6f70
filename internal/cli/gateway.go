package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// gatewaySection has the settings of a gateway alone.
const gatewaySection = "gateway"

// gatewayOptions are the flags of mallee gateway.
type gatewayOptions struct {
	load func() (*config.Config, error)
	json bool
}

func gatewayCommand() *cobra.Command {
	o := gatewayOptions{}
	c := &cobra.Command{
		Use:   "gateway",
		Short: "Run a gateway: where clients connect to talk to actors",
		Long: `Run a gateway: clients connect to it by WebSocket, TCP, QUIC or WebTransport and
talk to their actor, wherever it lives. Run one or many; a client that loses one
goes on at another when they have a secret in common. At SIGTERM or Ctrl-C the
clients are told to leave before it ends. What mallee config lists can be set by
a file and by variables too.

  mallee gateway --login open --actor Pilot          for development
  mallee gateway --login accounts --accounts Accounts
  mallee gateway --login jwt --jwks https://id.example.com/keys --actor Player
  mallee gateway --login koala --koala-key-file FILE --accounts IAccount \
    --websocket 0.0.0.0:8443 --cert FILE --key FILE --quic 0.0.0.0:8443`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.load = configured(c, gatewaySection, func(name string) bool {
		section, _, _ := strings.Cut(name, ".")
		return slices.Contains([]string{gatewaySection, "tls", "log", "cluster", "name", "pd", "listen", "advertise", "admin"}, section)
	})
	c.Flags().Lookup("pd").Usage = "client addresses of the placement drivers (default " + defaultPD + ")"
	c.Flags().BoolVar(&o.json, "json", false, "print the line of the start as JSON, and log in JSON")
	for _, choice := range []string{"login", "alone", "slow"} {
		completeChoice(c, choice, gatewaySection+"."+choice)
	}
	return c
}

func (o *gatewayOptions) run(ctx context.Context, out, errOut io.Writer) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	if o.json {
		s.Log.Format = "json"
	}
	caller := new(laterNode)
	config, err := gatewayConfig(s, caller)
	if err != nil {
		return err
	}
	at, err := openListeners(ctx, s.Gateway)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.close()) }()
	config.Log = slog.New(s.Log.Handler(errOut))
	if config.Node, err = startClient(ctx, s, config.Log); err != nil {
		return err
	}
	caller.Node = config.Node
	defer func() { err = errors.Join(err, endWithin(ctx, stopPatience, config.Node.Stop)) }()
	g, err := gateway.New(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, endWithin(ctx, stopPatience, g.Stop)) }()
	failed := at.serve(context.WithoutCancel(ctx), g, s.Gateway.Path)
	ready := gatewayReady{true, config.Node.Name(), config.Node.Admin(), at.addresses(s.Gateway.Path)}
	if err := ready.write(out, o.json); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return endWithin(ctx, 2*config.DrainSpread+stopPatience, g.Drain)
	}
}

// laterNode is a node that is started once all that it needs was found right.
type laterNode struct{ *node.Node }

// endWithin ends something in good order although ctx has ended.
func endWithin(ctx context.Context, limit time.Duration, stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	return stop(ctx)
}

// startClient starts a node that hosts nothing.
func startClient(ctx context.Context, s *config.Config, log *slog.Logger) (*node.Node, error) {
	secure, err := s.TLS.Config()
	if err != nil {
		return nil, &usageError{err}
	}
	if len(s.PD) == 0 {
		s.PD = []string{defaultPD}
	}
	return node.Start(ctx, node.Config{
		Name: cmp.Or(s.Name, "gateway"), Cluster: s.Cluster, Listen: s.Listen, Advertise: s.Advertise, Admin: s.Admin, TLS: secure, Log: log,
		Placement: placement.DialWith(placement.DialConfig{Addrs: s.PD, Cluster: s.Cluster, TLS: secure, Log: log}),
	})
}

// gatewayConfig is what the settings make of a gateway.
func gatewayConfig(s *config.Config, caller mallee.Caller) (c gateway.Config, err error) {
	own := s.Gateway
	c = gateway.Config{
		Alone: own.Alone == "on", Window: own.ResumeWindow, DrainSpread: own.DrainSpread,
		Origins:    own.Origins,
		MaxMessage: int(own.MaxMessage), MaxMemory: own.Memory, MaxConnections: int(own.Connections), MaxPerAddress: int(own.PerAddress),
		Messages: gateway.Rate{PerSecond: own.Messages, Burst: cmp.Or(own.MessageBurst, own.Messages)},
		Bytes:    gateway.Rate{PerSecond: own.Bytes, Burst: cmp.Or(own.ByteBurst, own.Bytes)},
	}
	if own.Slow == "drop_session" {
		c.Slow = gateway.DropSession
	}
	if own.SecretFile != "" {
		secret, err := readSecret("gateway.secret_file", own.SecretFile)
		if err != nil {
			return c, err
		}
		c.Secrets = [][]byte{secret}
	}
	c.Login, err = authenticator(own, caller)
	return c, err
}

// readSecret reads a file that holds one secret, perhaps with the end of a line.
func readSecret(setting, file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return nil, &usageError{fmt.Errorf("%s: %s is empty", setting, file)}
	}
	return []byte(secret), nil
}

// gatewayReady is the line that says that a gateway serves.
type gatewayReady struct {
	Ready   bool              `json:"ready"`
	Name    string            `json:"name"`
	Admin   string            `json:"admin,omitempty"`
	Clients map[string]string `json:"clients"` // URLs and addresses by carrier
}

func (r gatewayReady) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	var line strings.Builder
	fmt.Fprintf(&line, "gateway %s takes clients at", r.Name)
	for _, carrier := range slices.Sorted(maps.Keys(r.Clients)) {
		fmt.Fprintf(&line, " %s", r.Clients[carrier])
	}
	if r.Admin != "" {
		fmt.Fprintf(&line, "; health and figures on http://%s", r.Admin)
	}
	_, err := fmt.Fprintln(out, line.String())
	return err
}
