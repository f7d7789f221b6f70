package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// stopWithin bounds how long a node of a local cluster takes to end in good
// order.
const stopWithin = 20 * time.Second

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
		return slices.Concat(game.Types(), arena.Types(n.config.Name)), func() error { return nil }, nil
	case "crowd":
		turns, err := chaos.NewTurnFile(n.turns, n.life)
		if err != nil {
			return nil, nil, err
		}
		return turns.Types(), turns.Close, nil
	}
	return nil, nil, &usageError{fmt.Errorf("no types are named %q; there are game and crowd", n.types)}
}
