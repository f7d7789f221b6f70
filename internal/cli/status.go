package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// clusterView is a cluster as commands show it.
type clusterView struct {
	Cluster    string        `json:"cluster"`
	Term       uint64        `json:"term"`
	Leader     string        `json:"leader"`
	Recovering bool          `json:"recovering"`
	Actors     int64         `json:"actors"`
	Processes  []processView `json:"placement_drivers"`
	Nodes      []nodeView    `json:"nodes"`
}

type processView struct {
	Name    string `json:"name"`
	Addr    string `json:"addr"`
	State   string `json:"state"` // leader, follower or unreachable
	Version string `json:"version"`
}

type nodeView struct {
	ID      uint64            `json:"id"`
	Name    string            `json:"name"`
	Addr    string            `json:"addr"`
	Admin   string            `json:"admin,omitempty"`
	State   string            `json:"state"` // ready, cordoned, reporting or silent
	Foreign bool              `json:"foreign,omitempty"`
	Actors  int64             `json:"actors"`
	Load    int64             `json:"load"`
	LeaseMS int64             `json:"lease_ms"`
	Since   time.Time         `json:"since"`
	Types   []string          `json:"types"`
	Labels  map[string]string `json:"labels,omitempty"`
}

func statusCommand() *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the placement drivers, nodes and load of a cluster",
		Args:  arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := o.status(cmd.Context())
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), v, func(table io.Writer) { v.write(table) })
		},
	}
	o.flags(c, askTimeout)
	return c
}

func (o *clusterOptions) status(ctx context.Context) (v clusterView, err error) {
	err = o.ask(ctx, func(ctx context.Context, admin placementpb.AdminClient) error {
		s, err := admin.Status(ctx, &placementpb.StatusRequest{})
		if err == nil {
			v = newClusterView(s)
		}
		return err
	})
	return v, err
}

func newClusterView(s *placementpb.StatusResponse) clusterView {
	v := clusterView{
		Cluster: s.GetCluster(), Term: s.GetTerm(), Recovering: s.GetRecovering(), Actors: s.GetActors(),
		Processes: []processView{}, Nodes: []nodeView{},
	}
	for _, p := range s.GetProcesses() {
		state := "follower"
		switch {
		case p.GetLeader():
			state, v.Leader = "leader", p.GetName()
		case !p.GetHealthy():
			state = "unreachable"
		}
		v.Processes = append(v.Processes, processView{p.GetName(), p.GetAddr(), state, p.GetVersion()})
	}
	for _, n := range s.GetNodes() {
		v.Nodes = append(v.Nodes, newNodeView(n))
	}
	return v
}

func newNodeView(n *placementpb.NodeStatus) nodeView {
	m := n.GetMember()
	v := nodeView{
		ID: m.GetId(), Name: m.GetName(), Addr: m.GetAddr(), Admin: m.GetAdmin(), State: "ready", Foreign: m.GetForeign(),
		Actors: n.GetActors(), Load: n.GetLoad(), LeaseMS: n.GetLeaseMs(), Since: time.UnixMilli(m.GetSinceUnixMs()).UTC(),
		Types: []string{}, Labels: m.GetLabels(),
	}
	for _, t := range m.GetTypes() {
		v.Types = append(v.Types, t.GetName())
	}
	switch {
	case !n.GetReported():
		v.State = "reporting"
	case !n.GetConnected() && !v.Foreign:
		v.State = "silent"
	case n.GetStatus().GetCordoned():
		v.State = "cordoned"
	}
	return v
}

func (v *clusterView) write(table io.Writer) {
	state := "ready"
	switch {
	case v.Leader == "":
		state = "without a leader"
	case v.Recovering:
		state = "recovering: nodes have yet to report"
	}
	fmt.Fprintf(table, "cluster %s, term %d, %s, %d actors on %d nodes\n\n", v.Cluster, v.Term, state, v.Actors, len(v.Nodes))
	fmt.Fprintln(table, "PLACEMENT DRIVER\tADDRESS\tSTATE\tVERSION")
	for _, p := range v.Processes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", printable(p.Name), p.Addr, p.State, p.Version)
	}
	fmt.Fprintln(table)
	writeNodes(table, v.Nodes)
}
