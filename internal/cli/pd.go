package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/placement/pd"
)

// pdOptions are the flags of mallee pd.
type pdOptions struct {
	config pd.Config
	start  time.Duration
	json   bool
}

func pdCommand() *cobra.Command {
	o := pdOptions{}
	c := &cobra.Command{
		Use:   "pd",
		Short: "Run a process of the placement driver",
		Long: `Run a process of the placement driver, with etcd embedded: one, three or five of
them make it. Its client port serves nodes, tools, Koala hosts and clients of
etcd; /healthz and /readyz tell how it is.

  mallee pd                                  alone, on the loopback
  mallee pd --name a --listen 10.0.0.1:2379 --peer-listen 10.0.0.1:2380 \
    --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380
  mallee pd --name d --listen … --peer-listen … --join 10.0.0.1:2379
  mallee pd --etcd 10.0.0.9:2379             beside an etcd that is there`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.config.Name, "name", "pd", "name of this process, among those of the cluster")
	f.StringVar(&o.config.Cluster, "cluster", "mallee", "name of the cluster")
	f.StringVar(&o.config.Dir, "data-dir", "mallee-pd", "directory of this process alone")
	f.StringVar(&o.config.Listen, "listen", "127.0.0.1:2379", "address of the client port")
	f.StringVar(&o.config.Advertise, "advertise", "", "address where others reach it (default: that of --listen)")
	f.StringVar(&o.config.PeerListen, "peer-listen", "127.0.0.1:2380", "address for the other processes")
	f.StringVar(&o.config.PeerAdvertise, "peer-advertise", "", "address where they reach it (default: that of --peer-listen)")
	f.StringVar(&o.config.InitialCluster, "initial-cluster", "", "all processes of a new cluster, as name=http://host:port,… with peer addresses (default: this one alone)")
	f.StringVar(&o.config.Join, "join", "", "client address of a process of a running cluster, to which this one is added")
	f.BoolVar(&o.config.Replace, "replace", false, "with --join: take the place of a process of the same name whose data is lost")
	f.StringSliceVar(&o.config.Etcd, "etcd", nil, "endpoints of an etcd that is there; none is embedded then")
	f.DurationVar(&o.config.LeaseTTL, "lease-ttl", 5*time.Second, "lease of nodes that ask for no other: how long a dead node keeps its actors")
	f.StringVar(&o.config.TLS.Cert, "tls-cert", "", "certificate of this process (PEM); with --tls-key and --tls-ca all ports use mutual TLS")
	f.StringVar(&o.config.TLS.Key, "tls-key", "", "key of the certificate (PEM)")
	f.StringVar(&o.config.TLS.CA, "tls-ca", "", "authority that signs the certificates of all others (PEM)")
	f.DurationVar(&o.start, "start-timeout", 0, "give up when a majority of the processes is not there after this time (default: never)")
	f.BoolVar(&o.json, "json", false, "print the line of the start as JSON, and log in JSON")
	return c
}

// stopPatience bounds a graceful end.
const stopPatience = 15 * time.Second

func (o *pdOptions) run(ctx context.Context, out, errOut io.Writer) error {
	o.config.Version = version()
	o.config.Log = slog.New(slog.NewTextHandler(errOut, nil))
	if o.json {
		o.config.Log = slog.New(slog.NewJSONHandler(errOut, nil))
	}
	server, err := o.begin(ctx)
	if err != nil {
		return err
	}
	if err := o.welcome(out, server.Addr()); err != nil {
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

func (o *pdOptions) begin(ctx context.Context) (*pd.Server, error) {
	if o.start > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.start)
		defer cancel()
	}
	return pd.Start(ctx, o.config)
}

// pdReady is the line that says that a process serves.
type pdReady struct {
	Ready   bool   `json:"ready"`
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
	Addr    string `json:"addr"`
}

func (o *pdOptions) welcome(out io.Writer, addr string) error {
	if o.json {
		return json.NewEncoder(out).Encode(pdReady{true, o.config.Name, o.config.Cluster, addr})
	}
	_, err := fmt.Fprintf(out, "placement driver %s of cluster %s serves on %s\n", o.config.Name, o.config.Cluster, addr)
	return err
}
