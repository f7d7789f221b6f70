package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/pd"
)

// stopWithin bounds how long a process of a local cluster takes to end in good
// order.
const stopWithin = 20 * time.Second

// localPDCommand is what a placement driver of a local cluster runs.
func localPDCommand() *cobra.Command {
	var config pd.Config
	c := &cobra.Command{
		Use:    "local-pd",
		Short:  "Be a placement driver of the cluster of mallee demo or mallee chaos",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config.Cluster = local.Name
			config.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return runLocalPD(cmd, config)
		},
	}
	f := c.Flags()
	f.StringVar(&config.Name, "name", "", "name")
	f.StringVar(&config.Dir, "dir", "", "directory of the data")
	f.StringVar(&config.Listen, "listen", "", "address for nodes")
	f.StringVar(&config.Advertise, "advertise", "", "address at which they reach it")
	f.StringVar(&config.PeerListen, "peer", "", "address for the others")
	f.StringVar(&config.InitialCluster, "initial-cluster", "", "all of them, NAME=URL,…")
	f.DurationVar(&config.LeaseTTL, "lease", 0, "lease of nodes")
	return c
}

func runLocalPD(cmd *cobra.Command, config pd.Config) error {
	ctx := cmd.Context()
	server, err := pd.Start(ctx, config)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
		return server.Err()
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return server.Stop(stopping)
}

// localNode are the flags of a node of a local cluster.
type localNode struct {
	config node.Config
	pd     string
	store  string
	types  string
	turns  string
	life   string
}

// localNodeCommand is what a node of a local cluster runs.
func localNodeCommand() *cobra.Command {
	var n localNode
	c := &cobra.Command{
		Use:    "local-node",
		Short:  "Be a node of the cluster of mallee demo or mallee chaos",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return n.run(cmd) },
	}
	f := c.Flags()
	f.StringVar(&n.config.Name, "name", "", "name")
	f.StringVar(&n.config.Listen, "listen", "", "address for other nodes")
	f.StringVar(&n.config.Advertise, "advertise", "", "address at which they reach it")
	f.StringVar(&n.pd, "pd", "", "addresses of the placement drivers")
	f.StringVar(&n.store, "store", "", "URL of the store")
	f.StringVar(&n.types, "types", "", "game or crowd")
	f.StringVar(&n.turns, "turns", "", "directory in which the crowd notes its turns")
	f.StringVar(&n.life, "life", "", "name of this life, for the notes")
	return c
}

func (n *localNode) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	n.config.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	types, closeTypes, err := n.hosted()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTypes()) }()
	store, err := openStore(ctx, n.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	n.config.Types, n.config.Store, n.config.Cluster = types, store, local.Name
	n.config.Placement = placement.DialWith(placement.DialConfig{Addrs: strings.Split(n.pd, ","), Cluster: local.Name, Log: n.config.Log})
	running, err := node.Start(ctx, n.config)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), local.Ready)
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return running.Stop(stopping)
}

// hosted are the types that the node hosts, and what closes them.
func (n *localNode) hosted() ([]mallee.Type, func() error, error) {
	switch n.types {
	case "game":
		return game.Types(), func() error { return nil }, nil
	case "crowd":
		turns, err := chaos.NewTurnFile(n.turns, n.life)
		if err != nil {
			return nil, nil, err
		}
		return turns.Types(), turns.Close, nil
	}
	return nil, nil, &usageError{fmt.Errorf("no types are named %q; there are game and crowd", n.types)}
}
