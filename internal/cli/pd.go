package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/placement/pd"
)

// pdOptions are the flags of mallee pd.
type pdOptions struct {
	load    func() (*config.Config, error)
	replace bool
	start   time.Duration
	json    bool
}

func pdCommand() *cobra.Command {
	o := pdOptions{}
	c := &cobra.Command{
		Use:   "pd",
		Short: "Run a process of the placement driver",
		Long: `Run a process of the placement driver, with etcd embedded: one, three or five of
them make it. Its client port serves nodes, tools, Koala hosts and clients of
etcd; /healthz and /readyz tell how it is. What mallee config lists can be set
by a file and by variables too.

  mallee pd                                  alone, on the loopback
  mallee pd --name a --listen 10.0.0.1:2379 --peer-listen 10.0.0.1:2380 \
    --initial-cluster a=10.0.0.1:2380,b=10.0.0.2:2380,c=10.0.0.3:2380
  mallee pd --name d --listen … --peer-listen … --join 10.0.0.1:2379
  mallee pd --etcd 10.0.0.9:2379             beside an etcd that is there`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.load = configured(c, pdSection, func(name string) bool {
		section, _, _ := strings.Cut(name, ".")
		return slices.Contains([]string{pdSection, "tls", "log", "cluster", "name", "lease_ttl"}, section)
	})
	f := c.Flags()
	f.BoolVar(&o.replace, "replace", false, "with --join: take the place of a process of the same name whose data is lost")
	f.DurationVar(&o.start, "start-timeout", 0, "give up when a majority of the processes is not there after this time (default: never)")
	f.BoolVar(&o.json, "json", false, "print the line of the start as JSON, and log in JSON")
	return c
}

// pdSection has the settings of a placement driver alone.
const pdSection = "pd_server"

// config is what the settings make of a process that logs to out.
func (o *pdOptions) config(out io.Writer) (c pd.Config, err error) {
	s, err := o.load()
	if err != nil {
		return c, err
	}
	if o.json {
		s.Log.Format = "json"
	}
	own := s.PDServer
	c = pd.Config{
		Name: cmp.Or(s.Name, "pd"), Cluster: cmp.Or(s.Cluster, "mallee"), Dir: own.DataDir, Listen: own.Listen, Advertise: own.Advertise,
		PeerListen: own.PeerListen, PeerAdvertise: own.PeerAdvertise, InitialCluster: strings.Join(own.InitialCluster, ","),
		Join: own.Join, Replace: o.replace, TLS: pd.TLS(s.TLS), LeaseTTL: s.LeaseTTL, Admin: own.Admin,
		Version: version(), Log: slog.New(s.Log.Handler(out)),
	}
	if own.Etcd != "" {
		if strings.Contains(own.Etcd, "@") {
			return c, &usageError{errors.New("the etcd of a placement driver is named by its addresses, without a user: HOST:PORT,…")}
		}
		c.Etcd = strings.Split(strings.TrimPrefix(own.Etcd, "etcd://"), ",")
	}
	return c, nil
}

// stopPatience bounds a graceful end.
const stopPatience = 15 * time.Second

func (o *pdOptions) run(ctx context.Context, out, errOut io.Writer) error {
	config, err := o.config(errOut)
	if err != nil {
		return err
	}
	server, err := o.begin(ctx, config)
	if err != nil {
		return err
	}
	ready := pdReady{true, config.Name, config.Cluster, server.Addr(), server.Admin()}
	if err := ready.write(out, o.json); err != nil {
		return err
	}
	select {
	case <-server.Done():
		return server.Err()
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	return server.Stop(stopping)
}

func (o *pdOptions) begin(ctx context.Context, config pd.Config) (*pd.Server, error) {
	if o.start > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.start)
		defer cancel()
	}
	return pd.Start(ctx, config)
}

// pdReady is the line that says that a process serves.
type pdReady struct {
	Ready   bool   `json:"ready"`
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
	Addr    string `json:"addr"`
	Admin   string `json:"admin,omitempty"`
}

func (r pdReady) write(out io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	admin := ""
	if r.Admin != "" {
		admin = "; health and figures on http://" + r.Admin
	}
	_, err := fmt.Fprintf(out, "placement driver %s of cluster %s serves on %s%s\n", r.Name, r.Cluster, r.Addr, admin)
	return err
}
