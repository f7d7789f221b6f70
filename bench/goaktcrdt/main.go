// Command goaktcrdt is a process with replicated values of GoAkt v4, which suite
// crdt compares with. It is a module of its own, as it needs versions of modules
// that Mallee does not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/tochemey/goakt/v4/actor"
	"github.com/tochemey/goakt/v4/crdt"
	"github.com/tochemey/goakt/v4/discovery/static"
	"github.com/tochemey/goakt/v4/log"
	"github.com/tochemey/goakt/v4/remote"

	"github.com/mallee-io/mallee/bench/replica"
)

// The arguments are the number of the process among the others, and three ports of
// each process. It says where it serves, and ends with standard input.
func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "goaktcrdt:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 4 || len(args)%3 != 1 {
		return errors.New("the arguments are a number, and three ports of each process")
	}
	self, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	v, err := start(ctx, self, args[1:])
	if err != nil {
		return err
	}
	addr, err := replica.Serve(v, 0)
	if err != nil {
		return err
	}
	fmt.Println(addr)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// start starts a process, and returns when it sees those before it.
func start(ctx context.Context, self int, ports []string) (*values, error) {
	var hosts []string
	for i := 0; i < len(ports); i += 3 {
		hosts = append(hosts, "127.0.0.1:"+ports[i])
	}
	var own [3]int
	for i, port := range ports[3*self : 3*self+3] {
		var err error
		if own[i], err = strconv.Atoi(port); err != nil {
			return nil, err
		}
	}
	system, err := actor.NewActorSystem("bench",
		actor.WithLogger(log.DiscardLogger),
		actor.WithRemote(remote.NewConfig("127.0.0.1", own[1])),
		actor.WithCluster(actor.NewClusterConfig().
			WithDiscovery(static.NewDiscovery(&static.Config{Hosts: hosts})).
			WithDiscoveryPort(own[0]).
			WithPeersPort(own[2]).
			WithMinimumPeersQuorum(1).
			WithBootstrapTimeout(5*time.Second).
			WithKinds(&watcher{}).
			WithCRDT()))
	if err != nil {
		return nil, err
	}
	if err := system.Start(ctx); err != nil {
		return nil, err
	}
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		peers, err := system.Peers(ctx, time.Second)
		switch {
		case err == nil && len(peers) >= self:
			return &values{system, strconv.Itoa(self)}, nil
		case time.Since(begin) > 30*time.Second:
			return nil, fmt.Errorf("%d other processes are seen: %w", len(peers), err)
		}
	}
}

// values are what the process's replicator has.
type values struct {
	system actor.ActorSystem
	self   string
}

func (v *values) update(key crdt.Key, initial crdt.ReplicatedData, modify func(crdt.ReplicatedData) crdt.ReplicatedData) error {
	return actor.Tell(context.Background(), v.system.Replicator(), &crdt.Update{Key: key, Initial: initial, Modify: modify})
}

func (v *values) Add(counter string) error {
	return v.update(crdt.PNCounterKey("counter-"+counter), crdt.NewPNCounter(), func(now crdt.ReplicatedData) crdt.ReplicatedData {
		return now.(*crdt.PNCounter).Increment(v.self, 1)
	})
}

func (v *values) Put(set, element string, in bool) error {
	return v.update(crdt.ORSetKey("set-"+set), crdt.NewORSet(), func(now crdt.ReplicatedData) crdt.ReplicatedData {
		if in {
			return now.(*crdt.ORSet).Add(v.self, element)
		}
		return now.(*crdt.ORSet).Remove(element)
	})
}

func (v *values) Mark(register string, at int64) error {
	return v.update(crdt.LWWRegisterKey(register), crdt.NewLWWRegister(), func(now crdt.ReplicatedData) crdt.ReplicatedData {
		return now.(*crdt.LWWRegister).Set(strconv.FormatInt(at, 10), time.Unix(0, at), v.self)
	})
}

func (v *values) Watch(register string, changed func(at int64)) error {
	name := "watches-" + register + "-from-" + v.self // no other actor of the cluster has it
	_, err := v.system.Spawn(context.Background(), name, &watcher{register, changed}, actor.WithLongLived())
	return err
}

// watcher is told what a register is set to.
type watcher struct {
	register string
	changed  func(at int64)
}

func (*watcher) PreStart(*actor.Context) error { return nil }
func (*watcher) PostStop(*actor.Context) error { return nil }

func (w *watcher) Receive(ctx *actor.ReceiveContext) {
	switch m := ctx.Message().(type) {
	case *actor.PostStart:
		ctx.Tell(ctx.ActorSystem().Replicator(), &crdt.Subscribe{Key: crdt.LWWRegisterKey(w.register)})
	case *crdt.Changed:
		at, err := strconv.ParseInt(fmt.Sprint(m.Data.(*crdt.LWWRegister).Value()), 10, 64)
		if err == nil {
			w.changed(at)
		}
	}
}
