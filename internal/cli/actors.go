package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// actorView is a placed actor as commands show it.
type actorView struct {
	Type  string `json:"type"`
	Key   string `json:"key"`
	Node  uint64 `json:"node"`
	Epoch uint64 `json:"epoch"`
}

func newActorView(p *placementpb.Placed) actorView {
	g := p.GetGrant()
	return actorView{g.GetActor().GetType(), g.GetActor().GetKey(), p.GetNode(), g.GetEpoch()}
}

type actorsOptions struct {
	clusterOptions
	request placementpb.ActorsRequest
	limit   int
}

// actorsPage is how many actors are asked for at once.
const actorsPage = 1000

func actorsCommand() *cobra.Command {
	o := &actorsOptions{}
	c := &cobra.Command{
		Use:     "actors",
		Short:   "List the actors that live in a cluster, or find and move one",
		Example: "  mallee actors --type Player --prefix an\n  mallee actors find Player/ann\n  mallee actors move Player/ann 3",
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := o.list(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), all, func(table io.Writer) {
				fmt.Fprintln(table, "ACTOR\tNODE\tEPOCH")
				for _, a := range all {
					fmt.Fprintf(table, "%s/%s\t%d\t%d\n", printable(a.Type), printable(a.Key), a.Node, a.Epoch)
				}
			})
		},
	}
	o.flags(c, askTimeout)
	c.Flags().StringVar(&o.request.Type, "type", "", "only actors of this type")
	c.Flags().Uint64Var(&o.request.Node, "node", 0, "only actors on this node")
	c.Flags().StringVar(&o.request.Prefix, "prefix", "", "only actors whose keys begin so")
	c.Flags().IntVar(&o.limit, "limit", actorsPage, "list at most so many; 0: all")
	_ = c.RegisterFlagCompletionFunc("type", o.completeType) // the flag is there
	c.AddCommand(findCommand(), moveCommand())
	return c
}

func (o *actorsOptions) list(ctx context.Context) ([]actorView, error) {
	all := []actorView{}
	err := o.ask(ctx, func(ctx context.Context, admin placementpb.AdminClient) error {
		for {
			o.request.Limit = actorsPage
			if o.limit > 0 {
				o.request.Limit = int32(min(actorsPage, o.limit-len(all)))
			}
			page, err := admin.Actors(ctx, &o.request)
			if err != nil {
				return err
			}
			for _, p := range page.GetActors() {
				all = append(all, newActorView(p))
				o.request.After = p.GetGrant().GetActor()
			}
			if !page.GetMore() || len(page.GetActors()) == 0 || o.limit > 0 && len(all) >= o.limit {
				return nil
			}
		}
	})
	return all, err
}

// findView tells where an actor lives and why.
type findView struct {
	Placed     *actorView      `json:"placed"` // null: it lives nowhere
	Why        string          `json:"why"`
	Candidates []candidateView `json:"candidates"`
}

type candidateView struct {
	Node   uint64 `json:"node"`
	Able   bool   `json:"able"`
	Load   int64  `json:"load"`
	Reason string `json:"reason,omitempty"`
}

func findCommand() *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:   "find TYPE/KEY",
		Short: "Tell where an actor lives, and where it could",
		Args:  arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseActor(args[0])
			if err != nil {
				return err
			}
			v := findView{Candidates: []candidateView{}}
			err = o.ask(cmd.Context(), func(ctx context.Context, admin placementpb.AdminClient) error {
				found, err := admin.Find(ctx, &placementpb.FindRequest{Actor: &placementpb.Actor{Type: id.Type, Key: id.Key}})
				if err != nil {
					return err
				}
				v.Why = found.GetWhy()
				if p := found.GetPlaced(); p != nil {
					placed := newActorView(p)
					v.Placed = &placed
				}
				for _, c := range found.GetCandidates() {
					v.Candidates = append(v.Candidates, candidateView{c.GetNode(), c.GetAble(), c.GetLoad(), c.GetReason()})
				}
				return nil
			})
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), v, func(table io.Writer) { v.write(table, args[0]) })
		},
	}
	o.flags(c, askTimeout)
	return c
}

func (v *findView) write(table io.Writer, name string) {
	if v.Placed == nil {
		fmt.Fprintf(table, "%s lives nowhere; its first call places it\n", printable(name))
	} else {
		fmt.Fprintf(table, "%s lives on node %d, epoch %d\n", printable(name), v.Placed.Node, v.Placed.Epoch)
	}
	if v.Why != "" {
		fmt.Fprintln(table, v.Why)
	}
	fmt.Fprintln(table, "\nNODE\tCAN HOST IT\tLOAD\tREASON")
	for _, c := range v.Candidates {
		can := "no"
		if c.Able {
			can = "yes"
		}
		fmt.Fprintf(table, "%d\t%s\t%d\t%s\n", c.Node, can, c.Load, c.Reason)
	}
}

func moveCommand() *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:   "move TYPE/KEY NODE",
		Short: "Move an actor to another node while it is being called",
		Args:  arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseActor(args[0])
			if err != nil {
				return err
			}
			to, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return &usageError{fmt.Errorf("%q is not the number of a node; mallee nodes lists them", args[1])}
			}
			var from actorView
			err = o.ask(cmd.Context(), func(ctx context.Context, admin placementpb.AdminClient) error {
				moving, err := admin.Migrate(ctx, &placementpb.MigrateRequest{Actor: &placementpb.Actor{Type: id.Type, Key: id.Key}, To: to})
				from = newActorView(moving.GetPlaced())
				return err
			})
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"actor": from, "to": to}, func(w io.Writer) {
				fmt.Fprintf(w, "node %d is told to hand %s to node %d\n", from.Node, printable(args[0]), to)
			})
		},
	}
	o.flags(c, askTimeout)
	return c
}
