package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/mallee-io/mallee/bench/replica"
)

// A crowded contestant has many small values, half of them counters and half of
// them sets with one element, in a process that can be weighed.
type crowded interface {
	crowd(ctx context.Context) (crowd, error)
}

type crowd interface {
	fill(ctx context.Context, r replica.Range) error
	liveBytes() (int64, error)
	residentBytes() (int64, error)
	stop() error
}

func liveOf(c crowd) (int64, error)     { return c.liveBytes() }
func residentOf(c crowd) (int64, error) { return c.residentBytes() }

// crowdBench weighs small values.
func crowdBench(name, unit string, entities int, weigh func(crowd) (int64, error)) bench {
	return bench{
		name:   name,
		unit:   unit,
		admits: func(c contestant) bool { _, ok := c.(crowded); return ok },
		measure: func(ctx context.Context, c contestant, _ time.Duration) (s sample, err error) {
			crowd, err := c.(crowded).crowd(ctx)
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, crowd.stop()) }()
			if err := crowd.fill(ctx, replica.Range{To: warmKeys}); err != nil {
				return sample{}, err
			}
			before, err := weigh(crowd)
			if err != nil {
				return sample{}, err
			}
			if err := crowd.fill(ctx, replica.Range{From: warmKeys, To: warmKeys + entities}); err != nil {
				return sample{}, err
			}
			after, err := weigh(crowd)
			runtime.KeepAlive(crowd)
			return sample{Value: float64(after-before) / float64(entities)}, err
		},
	}
}

// newcomerBench is the time from the start of a node until it has all values of
// the others.
func newcomerBench(entities int) bench {
	return bench{
		name:   "crdt-newcomer",
		unit:   "ms",
		admits: func(c contestant) bool { _, ok := c.(malleeReplicas); return ok },
		measure: func(ctx context.Context, c contestant, _ time.Duration) (s sample, err error) {
			cluster, err := c.(malleeReplicas).replicas(ctx, 2)
			if err != nil {
				return sample{}, err
			}
			defer func() { err = errors.Join(err, cluster.stop()) }()
			all := replica.Range{To: entities}
			if err := cluster.fill(ctx, all); err != nil {
				return sample{}, err
			}
			if err := cluster.grow(ctx); err != nil {
				return sample{}, err
			}
			newcomer := cluster.clients[len(cluster.clients)-1]
			if err := complete(ctx, newcomer, all); err != nil {
				return sample{}, err
			}
			took, err := newcomer.Began(ctx)
			return sample{Value: float64(took.Milliseconds())}, err
		},
	}
}

func complete(ctx context.Context, c replica.Client, all replica.Range) error {
	missing, err := c.Missing(ctx, all)
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d of %d values are missing", missing, all.To-all.From)
	}
	return err
}

// crowd is two nodes; what the second one has is weighed, so without the store.
func (m malleeReplicas) crowd(ctx context.Context) (crowd, error) { return m.replicas(ctx, 2) }

// fill has the first process make values, and looks for them in the last.
func (c *replicaCluster) fill(ctx context.Context, r replica.Range) error {
	if err := c.clients[0].Fill(ctx, r); err != nil {
		return err
	}
	return complete(ctx, c.clients[len(c.clients)-1], r)
}

func (c *replicaCluster) liveBytes() (int64, error) { return c.peers[len(c.peers)-1].liveBytes() }

func (c *replicaCluster) residentBytes() (int64, error) {
	return c.peers[len(c.peers)-1].residentBytes()
}

// goMap is the floor of what is in memory: the same names and contents in maps.
type goMap struct{ started }

var _ crowded = goMap{}

func (goMap) crowd(context.Context) (crowd, error) {
	return &mapCrowd{counters: make(map[string]int64), sets: make(map[string]map[string]struct{})}, nil
}

type mapCrowd struct {
	counters map[string]int64
	sets     map[string]map[string]struct{}
}

func (m *mapCrowd) fill(_ context.Context, r replica.Range) error {
	for i := r.From; i < r.To; i++ {
		name := strconv.Itoa(100_000_000 + i)[1:]
		if i%2 == 0 {
			m.counters["Counter/"+name] = 1
		} else {
			m.sets["Set/"+name] = map[string]struct{}{name: {}}
		}
	}
	return nil
}

func (m *mapCrowd) liveBytes() (int64, error)     { return liveBytes(), nil }
func (m *mapCrowd) residentBytes() (int64, error) { return residentBytes(), nil }
func (m *mapCrowd) stop() error                   { return nil }
