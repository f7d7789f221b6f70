package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee/bench/replica"
)

const (
	visibleProcesses = 3
	lateBy           = 100 * time.Millisecond // a rate whose last change is later was not held
)

// A replicating contestant has copies of values in several processes.
type replicating interface {
	replicas(ctx context.Context, n int) (*replicaCluster, error)
}

// visibleBench changes values in three processes at a rate that is held, and
// watches marks of each in the others.
func visibleBench(name, unit string, rate int, value func(time.Duration, []replica.Report) float64) bench {
	return bench{
		name: name,
		unit: unit,
		admits: func(c contestant) bool {
			_, ok := c.(replicating)
			_, slow := c.(goAktValues)
			return ok && !(slow && rate > fewChanges)
		},
		measure: func(ctx context.Context, c contestant, d time.Duration) (s sample, err error) {
			cluster, err := c.(replicating).replicas(ctx, visibleProcesses)
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, cluster.stop()) }()
			load := replica.Load{Processes: visibleProcesses, Rate: rate / visibleProcesses, Warm: 2 * d, Time: 10 * d}
			reports, err := cluster.load(ctx, load)
			if err != nil {
				return sample{}, err
			}
			return visibleSample(value(load.Time, reports), reports)
		},
	}
}

// visibleSample counts the marks that were not seen as failed.
func visibleSample(value float64, reports []replica.Report) (sample, error) {
	missing := 0
	for _, r := range reports {
		if r.Late > lateBy {
			return sample{}, fmt.Errorf("the rate was not held: a change came %v late", r.Late)
		}
		missing += r.Marked*(len(reports)-1) - len(r.Seen)
	}
	if len(ages(reports)) == 0 {
		return sample{}, errors.New("no change was seen")
	}
	if missing > 0 {
		return newSample(value, tally{failed: missing, first: errors.New("a mark was not seen")}), nil
	}
	return newSample(value), nil
}

func ages(reports []replica.Report) (all []time.Duration) {
	for _, r := range reports {
		all = append(all, r.Seen...)
	}
	slices.Sort(all)
	return all
}

func latency(percent int) func(time.Duration, []replica.Report) float64 {
	return func(_ time.Duration, reports []replica.Report) float64 {
		all := ages(reports)
		if len(all) == 0 {
			return 0
		}
		return float64(all[min(len(all)*percent/100, len(all)-1)].Microseconds())
	}
}

func cpuUsed(measured time.Duration, reports []replica.Report) (ms float64) {
	for _, r := range reports {
		ms += float64(r.CPU.Milliseconds())
	}
	return ms / measured.Seconds()
}

// replicaCluster is processes that have copies of the same values, and others
// that they need.
type replicaCluster struct {
	others  []*peer
	peers   []*peer
	clients []replica.Client
	grow    func(ctx context.Context) error // adds a process
}

// add adds a process that has been started, or not.
func (c *replicaCluster) add(p *peer, err error) error {
	if err != nil {
		return err
	}
	c.peers = append(c.peers, p)
	client, err := replica.Dial(p.addr)
	if err == nil {
		c.clients = append(c.clients, client)
	}
	return err
}

// load lets all processes watch, and then work.
func (c *replicaCluster) load(ctx context.Context, l replica.Load) ([]replica.Report, error) {
	if err := c.each(func(i int) error { return c.clients[i].Watch(ctx, l.Of(i)) }); err != nil {
		return nil, err
	}
	l.Begin = time.Now().Add(time.Second)
	reports := make([]replica.Report, len(c.clients))
	return reports, c.each(func(i int) (err error) {
		reports[i], err = c.clients[i].Load(ctx, l.Of(i))
		return err
	})
}

func (c *replicaCluster) each(do func(i int) error) error {
	var work errgroup.Group
	for i := range c.clients {
		work.Go(func() error { return do(i) })
	}
	return work.Wait()
}

func (c *replicaCluster) stop() (err error) {
	for _, client := range c.clients {
		err = errors.Join(err, client.Close())
	}
	for _, p := range slices.Concat(c.peers, c.others) {
		err = errors.Join(err, p.stop())
	}
	return err
}
