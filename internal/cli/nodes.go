package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

func nodesCommand() *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:   "nodes",
		Short: "List the nodes of a cluster",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := o.status(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), v.Nodes, func(table io.Writer) { writeNodes(table, v.Nodes) })
		},
	}
	o.flags(c, askTimeout)
	return c
}

func writeNodes(table io.Writer, nodes []nodeView) {
	fmt.Fprintln(table, "NODE\tNAME\tADDRESS\tSTATE\tACTORS\tLOAD\tUP\tTYPES")
	for _, n := range nodes {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", n.ID, printable(n.Name), n.Addr, n.State, n.Actors, n.Load,
			time.Since(n.Since).Round(time.Second), strings.Join(n.Types, ","))
	}
}

func nodeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "node",
		Short: "Drain a node, or keep new actors from it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(
		tellCommand("cordon", "Place no new actors on a node", placementpb.Command_COMMAND_CORDON),
		tellCommand("uncordon", "Place actors on a node again", placementpb.Command_COMMAND_UNCORDON),
		drainCommand(),
	)
	return c
}

// tell gives a command to a node, which is named or numbered.
func (o *clusterOptions) tell(ctx context.Context, node string, command placementpb.Command) (id uint64, err error) {
	r := &placementpb.TellRequest{Name: node, Command: command}
	if n, err := strconv.ParseUint(node, 10, 64); err == nil {
		r.Node, r.Name = n, ""
	}
	err = o.ask(ctx, func(ctx context.Context, admin placementpb.AdminClient) error {
		told, err := admin.Tell(ctx, r)
		id = told.GetNode()
		return err
	})
	return id, err
}

func tellCommand(verb, short string, command placementpb.Command) *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:               verb + " NODE",
		Short:             short,
		Args:              arguments(1, 1),
		ValidArgsFunction: o.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := o.tell(cmd.Context(), args[0], command)
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"node": id, "told": verb}, func(w io.Writer) {
				fmt.Fprintf(w, "node %d is told to %s\n", id, verb)
			})
		},
	}
	o.flags(c, askTimeout)
	return c
}

func drainCommand() *cobra.Command {
	o := clusterOptions{}
	wait := true
	c := &cobra.Command{
		Use:   "drain NODE",
		Short: "Move all actors of a node to others, and place no new ones there",
		Long: "Move all actors of a node to others, and place no new ones there. Calls go on meanwhile. The process stays a\n" +
			"member that hosts nothing: end it, or let it host again with mallee node uncordon.",
		Args:              arguments(1, 1),
		ValidArgsFunction: o.completeNode,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := o.tell(cmd.Context(), args[0], placementpb.Command_COMMAND_DRAIN)
			if err == nil && wait {
				err = o.awaitDrained(cmd, id)
			}
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"node": id, "drained": wait}, func(w io.Writer) {
				if wait {
					fmt.Fprintf(w, "node %d is drained\n", id)
				} else {
					fmt.Fprintf(w, "node %d is told to drain\n", id)
				}
			})
		},
	}
	o.flags(c, 5*time.Minute)
	c.Flags().BoolVar(&wait, "wait", true, "wait until the node is empty")
	return c
}

// drainPoll is how often a drain is looked at.
const drainPoll = 200 * time.Millisecond

// awaitDrained shows how far a drain has come, and returns when the node has no
// actors or is gone.
func (o *clusterOptions) awaitDrained(cmd *cobra.Command, id uint64) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
	defer cancel()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	var bar *progress
	var total int64
	for {
		v, err := o.status(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(v.Nodes, func(n nodeView) bool { return n.ID == id })
		if i < 0 || v.Nodes[i].Actors == 0 && v.Nodes[i].State == "cordoned" {
			return nil
		}
		if bar == nil {
			total = v.Nodes[i].Actors
			bar = newProgress(cmd.ErrOrStderr(), "draining", total, "actors")
			defer bar.end()
		}
		bar.set(max(total-v.Nodes[i].Actors, 0))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("node %d still has %d actors: %w; the drain goes on without this command", id, v.Nodes[i].Actors, context.Cause(ctx))
		}
	}
}
