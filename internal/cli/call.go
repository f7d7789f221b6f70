package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

type callOptions struct {
	clusterOptions
	iface string
}

func callCommand() *cobra.Command {
	o := callOptions{}
	c := &cobra.Command{
		Use:   "call TYPE/KEY METHOD [JSON]",
		Short: "Call an actor of a cluster, and print the results as JSON",
		Long: "Call an actor of a cluster, wherever it lives, and print the results as JSON. Arguments are a JSON array, or an\n" +
			"object by their names. The command is a node of the cluster for as long as the call takes.",
		Example: "  mallee call Player/1001 Give '[\"sword\", 1]'\n  mallee call Player/1001 Bag",
		Args:    arguments(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := o.call(cmd.Context(), args)
			if err != nil {
				return err
			}
			if !o.json {
				var indented bytes.Buffer
				if err := json.Indent(&indented, results, "", "  "); err != nil {
					return fmt.Errorf("the node has answered what is no JSON: %w", err)
				}
				results = indented.Bytes()
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", results)
			return err
		},
	}
	o.flags(c, askTimeout, "cluster")
	c.Flags().StringVar(&o.iface, "interface", "", "interface of the method, where several of the actor have one of its name")
	return c
}

func (o *callOptions) call(ctx context.Context, args []string) (results []byte, err error) {
	id, err := parseActor(args[0])
	if err != nil {
		return nil, err
	}
	var body []byte
	if len(args) == 3 {
		body = []byte(args[2])
		if !json.Valid(body) {
			return nil, &usageError{fmt.Errorf("%q is no JSON; quote it for the shell", args[2])}
		}
	}
	s, secure, err := o.settings()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	log := slog.New(slog.DiscardHandler) // what matters comes back as the error
	// Where a Placement is given, a node takes no other settings: the addresses,
	// types and store of a node on this machine are not for the command.
	n, err := node.Start(ctx, node.Config{
		Name: "mallee-call", Cluster: s.Cluster, TLS: secure, Log: log,
		Placement: placement.DialWith(placement.DialConfig{Addrs: s.PD, Cluster: s.Cluster, TLS: secure, Log: log}),
	})
	if err != nil {
		return nil, err
	}
	results, err = n.InvokeJSON(ctx, id, o.iface, args[1], body)
	if stopErr := n.Stop(ctx); err == nil {
		err = stopErr
	}
	return results, err
}
