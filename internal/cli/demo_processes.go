package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// demoLease is that of the nodes of a demo.
const demoLease = 5 * time.Second

// spread is a cluster of processes, of which this one is a client. It survives
// the end of a node, and says so.
func (o *demoOptions) spread(ctx context.Context, log *slog.Logger) (_ *demoStage, err error) {
	if o.processes == 0 {
		return nil, &usageError{errors.New("--storage is for --processes; a demo in one process takes --data")}
	}
	if o.data != "" {
		return nil, &usageError{errors.New("--data is for a demo in one process; with --processes use --storage")}
	}
	if err := checkProcesses(o.processes); err != nil {
		return nil, err
	}
	store, err := sharedStore(o.storage)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mallee-demo-")
	if err != nil {
		return nil, err
	}
	cluster, err := local.New(local.Config{
		Dir: dir, PDs: localPDs, Nodes: o.processes, Lease: demoLease, Store: store, Types: "game",
		Exited: func(life string, asked bool, err error) {
			if !asked {
				log.Error("a process has ended by itself", "process", life, "error", err, "logs", dir)
			}
		},
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := cluster.StartAll(ctx); err != nil { // its logs stay to be read
		cluster.Close()
		return nil, err
	}
	client, err := node.Start(ctx, node.Config{
		Name: "demo", Cluster: local.Name, Log: log,
		Placement: placement.DialWith(placement.DialConfig{Addrs: cluster.PDAddrs(), Cluster: local.Name, Log: log}),
	})
	if err != nil {
		cluster.Close()
		return nil, err
	}
	return &demoStage{
		node: client, active: activeIn(ctx, cluster), note: clusterNote(cluster, dir),
		close: func() error {
			err := stopDemo(ctx, client)
			cluster.Close()
			return errors.Join(err, os.RemoveAll(dir))
		},
	}, nil
}

// activeIn counts the actors of a cluster. Where that cannot be known it is
// what it was before.
func activeIn(ctx context.Context, cluster *local.Cluster) func() int64 {
	var last atomic.Int64
	return func() int64 {
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if n, err := cluster.Actors(asking); err == nil {
			last.Store(n)
		}
		return last.Load()
	}
}

func clusterNote(cluster *local.Cluster, dir string) string {
	var note strings.Builder
	fmt.Fprintf(&note, "\nIts processes, whose logs are in %s:\n\n", dir)
	for _, p := range cluster.Processes() {
		fmt.Fprintf(&note, "  %-7s process %d\n", p.Name, p.Pid)
	}
	fmt.Fprintf(&note, "\nKill a node and see. The cluster shows itself with\n\n  mallee status --pd %s\n", strings.Join(cluster.PDAddrs(), ","))
	return note.String()
}
