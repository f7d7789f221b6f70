package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Cluster is what a nemesis breaks. Processes are named; what one has kept on
// disk is there again when it is started again.
type Cluster interface {
	// PDs are the names of the processes of the placement driver.
	PDs() []string
	// Leader names the PD that leads.
	Leader(ctx context.Context) (string, error)
	// Kill ends a process as a crash would, and returns when it is gone.
	Kill(process string) error
	// Stop asks a process to end in good order, and returns when it is gone.
	Stop(ctx context.Context, process string) error
	// Start starts a process that is gone, and returns when it is ready. One
	// that runs is left alone.
	Start(ctx context.Context, process string) error
	// Pause keeps a process from running until Resume.
	Pause(process string) error
	Resume(process string) error
	// Drain has the PDs move a node's actors away; Uncordon opens it again.
	Drain(ctx context.Context, node string) error
	Uncordon(ctx context.Context, node string) error
	// Drop resets the connections of a gateway's clients.
	Drop(gateway string) error
}

// Nemesis does faults to a cluster and undoes them.
type Nemesis struct {
	Cluster Cluster
	Links   *Links
	Record  *Recorder
	// Tell hears of each fault that is done. It must be safe for concurrent use.
	Tell func(Fault)
}

const (
	slowDelay  = 100 * time.Millisecond
	undoWithin = time.Minute // also what a drain and a restart may take
)

// Run does one step after the other. When ctx ends it undoes the present one
// and returns; whatever happens, it leaves nothing broken that it can mend.
func (n *Nemesis) Run(ctx context.Context, plan []Step) error {
	for _, step := range plan {
		if err := each(step, func(f Fault) error { return n.begin(ctx, f) }); err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// begin does a fault when its time has come.
func (n *Nemesis) begin(ctx context.Context, f Fault) error {
	if !sleep(ctx, f.After) {
		return nil
	}
	n.Tell(f)
	if err := n.suffer(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", f.Kind, err)
	}
	return nil
}

// sleep reports false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// suffer does one fault and undoes it.
func (n *Nemesis) suffer(ctx context.Context, f Fault) error {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*undoWithin+f.For)
	defer cancel()
	if err := n.aim(whole, &f); err != nil {
		return err
	}
	from := now()
	undo, err := n.do(whole, f)
	if err == nil {
		sleep(ctx, f.For)
	}
	err = errors.Join(err, undo(whole))
	n.Record.Fault(Injected{f, from, now()})
	return err
}

// aim finds the process that leads, for faults that are done to it.
func (n *Nemesis) aim(ctx context.Context, f *Fault) (err error) {
	switch f.Kind {
	case RestartLeader, PauseLeader:
		f.Process, err = n.Cluster.Leader(ctx)
	case IsolateLeader:
		var leader string
		leader, err = n.Cluster.Leader(ctx)
		for _, pd := range n.Cluster.PDs() {
			if pd != leader {
				f.Links = append(f.Links, both(leader, pd)...)
			}
		}
	}
	return err
}

// do returns what undoes the fault, also when it was done only in part.
func (n *Nemesis) do(ctx context.Context, f Fault) (undo func(context.Context) error, err error) {
	c := n.Cluster
	switch f.Kind {
	case KillNode, KillPD, RestartLeader, KillGateway:
		return n.kill(f.Process)
	case KillPDs:
		return n.kill(c.PDs()...)
	case PauseNode, PauseLeader, PauseGateway:
		return n.pause(f.Process)
	case PausePDs:
		return n.pause(c.PDs()...)
	case CutLink, CutOneWay, CutStore, IsolateNode, IsolateLeader, CutGateway, IsolateGateway:
		n.Links.Cut(f.Links...)
		return n.heal(f.Links), nil
	case SlowLink:
		n.Links.Slow(slowDelay, f.Links...)
		return n.heal(f.Links), nil
	case RollNode, RollGateway:
		return func(ctx context.Context) error { return c.Start(ctx, f.Process) }, c.Stop(ctx, f.Process)
	case DrainNode:
		return func(ctx context.Context) error { return c.Uncordon(ctx, f.Process) }, c.Drain(ctx, f.Process)
	case DropClients:
		return nothing, c.Drop(f.Process)
	}
	return nothing, errors.New("no such fault")
}

func nothing(context.Context) error { return nil }

func (n *Nemesis) heal(links []Link) func(context.Context) error {
	return func(context.Context) error {
		n.Links.Heal(links...)
		return nil
	}
}

// kill kills all of the processes at once, and starts all at once: PDs are
// ready only together.
func (n *Nemesis) kill(processes ...string) (undo func(context.Context) error, err error) {
	undo = func(ctx context.Context) error {
		return each(processes, func(p string) error { return n.Cluster.Start(ctx, p) })
	}
	return undo, each(processes, n.Cluster.Kill)
}

func (n *Nemesis) pause(processes ...string) (undo func(context.Context) error, err error) {
	return func(context.Context) error { return each(processes, n.Cluster.Resume) }, each(processes, n.Cluster.Pause)
}

// each runs f for all of them at the same time.
func each[T any](all []T, f func(T) error) (err error) {
	results := make(chan error, len(all))
	for _, one := range all {
		go func() { results <- f(one) }()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}
