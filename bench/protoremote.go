package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/cluster/clusterproviders/automanaged"
	"github.com/asynkron/protoactor-go/cluster/identitylookup/disthash"
	"github.com/asynkron/protoactor-go/remote"

	"github.com/mallee-io/mallee/bench/grain"
)

// protoRemote is a grain of Proto.Actor on the other member of a cluster of
// two, whose members find each other with the automanaged provider. This one
// hosts no grains.
type protoRemote struct {
	protoGrain
	peer *peer
}

func (p *protoRemote) Start(ctx context.Context, actors int) error {
	p.actors = actors
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	if p.peer, err = startPeer(ctx, "protoactor-grain", ports...); err != nil {
		return err
	}
	if p.cluster, err = protoMember(ports[1], ports); err != nil {
		return err
	}
	return p.await(ctx)
}

// await returns when the members know each other: until then calls fail.
func (p *protoRemote) await(ctx context.Context) error {
	call := p.Caller(ctx)
	for end := time.Now().Add(20 * time.Second); ; {
		_, err := call(0, "12345678")
		if err == nil {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("the members have not found each other: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *protoRemote) Stop(context.Context) error {
	p.cluster.Shutdown(false)
	return p.peer.stop()
}

func serveProtoGrain(_ context.Context, ports []string) (string, error) {
	kind := grain.NewEchoKind(func() grain.Echo { return echoGrain{} }, time.Minute)
	_, err := protoMember(ports[0], ports, cluster.WithKinds(kind))
	return "127.0.0.1:" + ports[0], err
}

func protoMember(port string, all []string, options ...cluster.ConfigOption) (*cluster.Cluster, error) {
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	hosts := make([]string, len(all))
	for i, p := range all {
		hosts[i] = "127.0.0.1:" + p
	}
	os.Stdout = os.Stderr // the provider's HTTP server prints a banner among our samples
	provider := automanaged.NewWithConfig(time.Second, n, hosts...)
	c := cluster.New(silentProtoSystem(), cluster.Configure("bench", provider, disthash.New(),
		remote.Configure("127.0.0.1", 0),
		append(options, cluster.WithRequestTimeout(callTimeout))...))
	c.StartMember()
	return c, nil
}

func freePorts(n int) (ports []string, err error) {
	for range n {
		l, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, listenErr
		}
		_, port, splitErr := net.SplitHostPort(l.Addr().String())
		err = errors.Join(err, splitErr, l.Close())
		ports = append(ports, port)
	}
	return ports, err
}
