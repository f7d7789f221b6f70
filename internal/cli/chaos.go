package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/chaos"
)

// chaosOptions are the flags of mallee chaos.
type chaosOptions struct {
	run  chaos.RunConfig
	only []string
	json bool
}

func chaosCommand() *cobra.Command {
	o := chaosOptions{}
	c := &cobra.Command{
		Use:   "chaos",
		Short: "Break a cluster of real processes, and judge what its actors answered",
		Long: `Starts three placement drivers and some nodes on this machine, and a crowd that
calls counters, registers and tallies of replicated values, half of the time
through actors on other nodes.
Kills, pauses, cuts off, drains and restarts the processes meanwhile, up to two
at a time, as the seed decides. Then checks that every actor was linearizable,
that no acknowledged write is lost, that no actor ran in two places at once, that
no call failed while a node was drained or restarted, and that all nodes have the
same replicated values, with every acknowledged change. Clients that have
sessions by two gateways must get each message once and in order, or know that
they have not. Ctrl-C mends the
cluster and judges what there is. docs/chaos.md tells more.

Links are cut on Linux alone, and processes are paused on Unix.

` + storeHelp,
		Example: `  mallee chaos --seed 103 --lease 5s
  mallee chaos --only kill_node --for 3m --json
  mallee chaos --only roll_node --callers 64`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.run.Seed = rand.Uint64N(1_000_000)
			}
			return o.start(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.DurationVar(&o.run.Length, "for", 90*time.Second, "how long to break things")
	f.Uint64Var(&o.run.Seed, "seed", 0, "decides what is broken and when (default: a random one)")
	f.IntVar(&o.run.Nodes, "processes", 3, "nodes, beside three placement drivers")
	f.IntVar(&o.run.Gateways, "gateways", 2, "gateways; 0: neither those nor clients")
	f.IntVar(&o.run.Clients, "clients", 16, "clients that have a session each")
	f.IntVar(&o.run.Callers, "callers", 16, "how many call at the same time")
	f.DurationVar(&o.run.Lease, "lease", 2*time.Second, "how long a node that has gone silent keeps its actors; the default of a cluster is 5s")
	f.StringSliceVar(&o.only, "only", nil, "kinds of faults (default: all): "+kindNames())
	f.StringVar(&o.run.Store, "storage", "etcd", "URL of the store of the nodes; etcd is that of the placement drivers")
	f.StringVar(&o.run.Dir, "dir", "", "empty directory to keep histories and logs in (default: a temporary one, kept after a failure)")
	f.BoolVar(&o.json, "json", false, "print one JSON summary at the end and nothing else")
	return c
}

// kindNames lists what can be broken.
func kindNames() string {
	var names []string
	for _, kind := range chaos.Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func (o *chaosOptions) start(ctx context.Context, out, errOut io.Writer) (err error) {
	if err := checkProcesses(o.run.Nodes); err != nil {
		return err
	}
	if o.run.Store, err = sharedStore(o.run.Store); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return &usageError{err}
	}
	remove := func() error { return nil }
	if o.run.Dir == "" {
		if o.run.Dir, err = os.MkdirTemp("", "mallee-chaos-"); err != nil {
			return err
		}
		remove = func() error { return os.RemoveAll(o.run.Dir) }
	} else if err := os.MkdirAll(o.run.Dir, 0o755); err != nil {
		return err
	}
	if o.run.Gateways == 0 {
		o.run.Clients = 0
	}
	o.run.PDs, o.run.Tell = localPDs, o.teller(out)
	s, v, err := chaos.Run(ctx, o.run)
	if err != nil {
		return fmt.Errorf("seed %d: %w; histories and logs are in %s", o.run.Seed, err, o.run.Dir)
	}
	if err := o.print(out, s); err != nil {
		return err
	}
	if !s.Clean() {
		for _, finding := range v.Findings {
			fmt.Fprintln(errOut, finding)
		}
		return fmt.Errorf("the cluster has broken its promises with seed %d; histories and logs are in %s", o.run.Seed, o.run.Dir)
	}
	return remove()
}

func (o *chaosOptions) check() error {
	for _, name := range o.only {
		kind := chaos.Kind(name)
		if !slices.Contains(chaos.Kinds(), kind) {
			return fmt.Errorf("--only %s is no kind of fault; there are %s", name, kindNames())
		}
		o.run.Only = append(o.run.Only, kind)
	}
	switch {
	case o.run.Length < time.Second:
		return fmt.Errorf("--for %v is less than a second", o.run.Length)
	case o.run.Lease < time.Second || o.run.Lease > time.Minute:
		return fmt.Errorf("--lease %v is not between 1s and 1m", o.run.Lease)
	case o.run.Gateways < 0 || o.run.Gateways > maxProcesses:
		return fmt.Errorf("--gateways %d is not between 0 and %d", o.run.Gateways, maxProcesses)
	case o.run.Clients < 1 || o.run.Clients > maxClients:
		return fmt.Errorf("--clients %d is not between 1 and %d", o.run.Clients, maxClients)
	case o.run.Callers < 1 || o.run.Callers > maxCallers:
		return fmt.Errorf("--callers %d is not between 1 and %d", o.run.Callers, maxCallers)
	}
	return nil
}

// teller prints a line for each fault, to people who watch.
func (o *chaosOptions) teller(out io.Writer) func(f chaos.Fault, calls, failed int64) {
	if o.json || !isTerminal(out) {
		return func(chaos.Fault, int64, int64) {}
	}
	fmt.Fprintf(out, "seed %d; Ctrl-C mends the cluster and judges what there is\n", o.run.Seed)
	start := time.Now()
	return func(f chaos.Fault, calls, failed int64) {
		fmt.Fprintf(out, "%6.1f s %9d calls %7d failed   %-15s %s\n", time.Since(start).Seconds(), calls, failed, f.Kind, where(f))
	}
}

// where tells what a fault is done to.
func where(f chaos.Fault) string {
	if f.Process != "" {
		return f.Process
	}
	links := make([]string, len(f.Links))
	for i, l := range f.Links {
		links[i] = l.String()
	}
	return strings.Join(links, ", ")
}

func (o *chaosOptions) print(out io.Writer, s chaos.Summary) error {
	if o.json {
		return json.NewEncoder(out).Encode(s)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, must string) { fmt.Fprintf(table, "%v\t  %s%s\n", value, name, must) }
	fmt.Fprintln(table)
	row("calls", s.Calls, "")
	row("failed, or nobody knows", s.Failed, "")
	row("of these in drains", s.FailedInDrains, ", must be 0")
	row("acknowledged writes lost", s.LostAcks, ", must be 0")
	row("double activations", s.DoubleActivations, ", must be 0")
	row("actors that are not linearizable", s.Nonlinearizable, ", must be 0")
	row("ms from a kill to the next answer of an actor, p50", s.Failover.P50, "")
	row("ms, p99", s.Failover.P99, "")
	if r := s.Replicated; r != nil {
		row("changes of replicated values", r.Marks, "")
		row("processes whose copies were compared", r.Copies, "")
		row("of these changes lost", r.Lost, ", must be 0")
		row("values that are not the same everywhere", r.Unequal, ", must be 0")
	}
	if c := s.Sessions; c != nil {
		row("messages of clients", c.Said, "")
		row("messages for clients", c.Heard, "")
		row("of which clients were told that they are lost", c.Lost, "")
		row("times that they were told of an unknown number", c.Epochs, "")
		row("connections of clients that were cut", c.Cuts, "")
		row("of these though no gateway was at fault", c.CutByOthers, ", must be 0")
		row("messages lost in silence, for clients", c.Missing, ", must be 0")
		row("of clients", c.Unseen, ", must be 0")
		row("that came again, or too late", c.Repeated, ", must be 0")
		row("losses in drains", c.LostInDrains, ", must be 0")
		row("clients that get nowhere", c.Stalled, ", must be 0")
		row("ms without a connection, p50", c.Away.P50, "")
		row("ms, p99", c.Away.P99, "")
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Faults)) {
		row(string(kind), s.Faults[kind], "")
	}
	return table.Flush()
}

const (
	localPDs      = 3 // one can be lost
	maxProcesses  = 20
	maxCallers    = 1000
	maxClients    = 500
	storeOfPDs    = "etcd"
	storeIsShared = "etcd, etcd://…, postgres://… or mongodb://…"
)

func checkProcesses(n int) error {
	if n < 1 || n > maxProcesses {
		return &usageError{fmt.Errorf("--processes %d is not between 1 and %d", n, maxProcesses)}
	}
	return nil
}

// sharedStore is the URL of a store that several processes can use at once; ""
// is that of the placement drivers.
func sharedStore(address string) (string, error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch {
	case address == "" || address == storeOfPDs:
		return "", nil
	case scheme == "pebble" || scheme == "memory":
		return "", &usageError{errors.New("processes cannot share the store " + redact(address) + "; use " + storeIsShared)}
	}
	return address, nil
}
