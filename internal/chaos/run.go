package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mallee-io/mallee/internal/local"
	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// RunConfig says what run it is to be.
type RunConfig struct {
	// Dir is an empty directory for the histories, and for the logs and the data
	// of the cluster.
	Dir string
	// Length is how long the cluster is broken. A fault that has begun is undone
	// first, and at last every actor is read, so a run takes longer.
	Length time.Duration
	// Seed decides which faults there are and what the crowd does.
	Seed uint64
	// Nodes and PDs are how many processes there are of each.
	Nodes, PDs int
	// Gateways are as many processes, to which Clients clients connect.
	Gateways, Clients int
	// Lease is that of the nodes.
	Lease time.Duration
	// Store is the URL of the store of the nodes. Defaults to the etcd of the PDs.
	Store string
	// Callers are how many callers call at the same time. Defaults to 16.
	Callers int
	// Only are the kinds of faults to choose from. Defaults to all.
	Only []Kind
	// Tell hears of each fault that begins, and of the calls until then. It must
	// be safe for concurrent use.
	Tell func(f Fault, calls, failed int64)
}

// The crowd of a run.
const (
	defaultCallers = 16
	actors         = 16                    // counters, and as many registers and tallies
	think          = 10 * time.Millisecond // of a caller, between two calls
)

// Run starts a cluster, breaks it while a crowd calls its actors, and judges
// what they were answered. When ctx ends it stops breaking, mends what is broken
// and judges what there is. After an error there is no judgement.
func Run(ctx context.Context, config RunConfig) (Summary, Verdict, error) {
	record, err := NewRecorder(config.Dir, Header{Seed: config.Seed, Lease: config.Lease})
	if err != nil {
		return Summary{}, Verdict{}, err
	}
	if err := errors.Join(play(ctx, config, record), record.Close()); err != nil {
		return Summary{}, Verdict{}, err
	}
	h, err := ReadHistory(config.Dir)
	if err != nil {
		return Summary{}, Verdict{}, err
	}
	v, err := Check(h)
	return Summarize(h, v), v, err
}

// play is a run up to the last read.
func play(ctx context.Context, config RunConfig, record *Recorder) (err error) {
	stage, err := newStage(config, record)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.close()) }()
	if err := stage.StartAll(ctx); err != nil {
		return err
	}
	client, stop, err := startClient(ctx, config, stage.PDAddrs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	w := &Workload{Caller: client, Record: record, Seed: config.Seed, Workers: cmp.Or(config.Callers, defaultCallers), Actors: actors, Nodes: config.Nodes, Think: think}
	clients := &Clients{URLs: stage.GatewayURLs(), Record: record, Seed: config.Seed, Number: config.Clients}
	if err := clients.Connect(ctx); err != nil {
		return err
	}
	calling, stopCalls := context.WithCancel(context.WithoutCancel(ctx))
	var crowd sync.WaitGroup
	crowd.Go(func() { w.Run(calling) })
	crowd.Go(func() { clients.Run(calling) })
	err = stage.suffer(ctx, w)
	stopCalls()
	crowd.Wait()
	ended := clients.Finish(context.WithoutCancel(ctx))
	if err == nil {
		err = w.Finish(context.WithoutCancel(ctx))
	}
	return errors.Join(err, ended, stage.crashed())
}

// suffer does the faults of the plan, until the time is over or ctx ends.
func (s *stage) suffer(ctx context.Context, w *Workload) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Length)
	defer cancel()
	nemesis := &Nemesis{
		Cluster: s, Links: s.links, Record: s.record,
		Tell: func(f Fault) {
			all, failed := w.Calls()
			s.config.Tell(f, all, failed)
		},
	}
	plan := Plan(s.config.Seed, s.config.Length, Size{
		Nodes: s.config.Nodes, PDs: s.config.PDs, Gateways: s.config.Gateways, Lease: s.config.Lease,
		Pauses: procs.CanPause, Links: KnowsOwners, Store: s.storeFronted, Only: s.config.Only,
	})
	if len(plan) == 0 {
		return fmt.Errorf("the time of %v is too short for any fault, or none of them is possible here", s.config.Length)
	}
	failed := make(chan error, 1)
	go func() { failed <- nemesis.Run(ctx, plan) }()
	select {
	case err := <-failed:
		if err == nil {
			select {
			case <-ctx.Done():
			case <-s.crash:
			}
		}
		return err
	case <-s.crash: // nothing that follows can be trusted
		cancel()
		return <-failed
	}
}

// startClient starts the node through which the crowd calls. Its links are
// always good.
func startClient(ctx context.Context, config RunConfig, pds []string) (n *node.Node, stop func() error, err error) {
	file, err := os.Create(filepath.Join(config.Dir, "client.log"))
	if err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(file, nil))
	n, err = node.Start(ctx, node.Config{
		Name: "client", Cluster: local.Name, Log: log,
		Placement: placement.DialWith(placement.DialConfig{Addrs: pds, Cluster: local.Name, Log: log}),
	})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start the crowd: %w", err), file.Close())
	}
	return n, func() error {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoWithin)
		defer cancel()
		return errors.Join(n.Stop(stopping), file.Close())
	}, nil
}
