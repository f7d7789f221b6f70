package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/bench/echoer"
	"github.com/mallee-io/mallee/bench/replica"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage/pebble"
)

// malleeReplicas are nodes and a placement driver. The first node hosts actors,
// and so has the keeper of the values with an embedded store; the others are
// clients that use values, as the store of one process is no other's.
type malleeReplicas struct{ started }

var (
	_ incrementing = malleeReplicas{}
	_ replicating  = malleeReplicas{}
	_ crowded      = malleeReplicas{}
	_ telling      = malleeReplicas{}
)

func (malleeReplicas) replicas(ctx context.Context, n int) (*replicaCluster, error) {
	driver := malleeRemote{}
	addr, err := driver.startDrivers(ctx, 1)
	if err != nil {
		return nil, err
	}
	c := &replicaCluster{others: driver.drivers}
	for i := range n {
		if err := c.add(startPeer(ctx, "mallee-replica", addr, strconv.FormatBool(i == 0))); err != nil {
			return nil, err
		}
	}
	c.grow = func(ctx context.Context) error { return c.add(startPeer(ctx, "mallee-replica", addr, "false")) }
	return c, nil
}

// counters are on a node in this process, whose changes go to another one.
func (m malleeReplicas) counters(ctx context.Context) (func(caller int) func() error, func() error, error) {
	c, err := m.replicas(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	n, err := startClustered(ctx, c.others[0].addr)
	if err != nil {
		return nil, nil, errors.Join(err, c.stop())
	}
	counters := countersOf(func(caller int) (func() (int64, error), func() (int64, error)) {
		counter := mallee.NewReplicated[crdt.PNCounter](n, mallee.ID{Type: "Caller", Key: strconv.Itoa(caller)})
		err = errors.Join(err, counter.Wait(ctx, crdt.Local))
		return counter.Value.Value, func() (int64, error) { return counter.Value.Add(1) }
	})
	end := func() error {
		settled := mallee.NewReplicated[crdt.Flag](n, mallee.ID{Type: "Caller"}).Wait(ctx, crdt.All)
		return errors.Join(err, settled, n.Stop(context.WithoutCancel(ctx)), c.stop())
	}
	return counters, end, nil
}

// serveMalleeReplica is a node, and its store if it is to host actors.
func serveMalleeReplica(ctx context.Context, args []string) (string, error) {
	begin := time.Now()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config := node.Config{Placement: placement.Dial(args[0]), Log: log}
	hosts, err := strconv.ParseBool(args[1])
	if err != nil {
		return "", err
	}
	if hosts {
		dir, err := os.MkdirTemp("", "bench-replica") // the system's to delete
		if err != nil {
			return "", err
		}
		if config.Store, err = pebble.Open(dir); err != nil {
			return "", err
		}
		config.Types = []mallee.Type{echoer.EchoerType(echoer.New)}
	}
	n, err := node.Start(ctx, config)
	if err != nil {
		return "", err
	}
	values := nodeValues{n}
	arriving, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := values.wait(arriving, crdt.Local); err != nil {
		return "", fmt.Errorf("the values do not come: %w", err)
	}
	return replica.Serve(values, time.Since(begin))
}

// nodeValues are the values of a node.
type nodeValues struct{ node *node.Node }

var _ replica.Lasting = nodeValues{}

func value[T crdt.Handle[T]](v nodeValues, kind, name string) *mallee.Replicated[T] {
	return mallee.NewReplicated[T](v.node, mallee.ID{Type: kind, Key: name})
}

func (v nodeValues) Add(counter string) error {
	_, err := value[crdt.PNCounter](v, "Counter", counter).Value.Add(1)
	return err
}

func (v nodeValues) Count(counter string) (int64, error) {
	return value[crdt.PNCounter](v, "Counter", counter).Value.Value()
}

func (v nodeValues) Put(set, element string, in bool) error {
	s := value[crdt.ORSet[string]](v, "Set", set).Value
	if in {
		return s.Add(element)
	}
	return s.Remove(element)
}

func (v nodeValues) Has(set, element string) (bool, error) {
	return value[crdt.ORSet[string]](v, "Set", set).Value.Has(element)
}

func (v nodeValues) Mark(register string, at int64) error {
	return value[crdt.Register[int64]](v, "Mark", register).Value.Set(at)
}

func (v nodeValues) Watch(register string, changed func(at int64)) error {
	mark := value[crdt.Register[int64]](v, "Mark", register)
	go func() {
		for r := range mark.Changes(context.Background()) {
			if at, ok, err := r.Get(); ok && err == nil {
				changed(at)
			}
		}
	}()
	return nil
}

func (v nodeValues) Settle(ctx context.Context) error { return v.wait(ctx, crdt.All) }

// wait is for all values of the node: any of them can be asked.
func (v nodeValues) wait(ctx context.Context, c crdt.Consistency) error {
	return value[crdt.Flag](v, "Any", "").Wait(ctx, c)
}
