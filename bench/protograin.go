package main

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/cluster"
	"github.com/asynkron/protoactor-go/cluster/clusterproviders/test"
	"github.com/asynkron/protoactor-go/cluster/identitylookup/disthash"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee/bench/grain"
)

// protoGrain is a virtual actor of Proto.Actor: the first call to an identity
// activates it. The cluster has one member, whose registry is in this process,
// and calls go through the client that Proto.Actor's generator writes.
type protoGrain struct {
	cluster *cluster.Cluster
	actors  int
}

var _ activator = (*protoGrain)(nil)

func (p *protoGrain) Start(_ context.Context, actors int) error {
	p.actors = actors
	provider := test.NewTestProvider(test.NewInMemAgent())
	kind := grain.NewEchoKind(func() grain.Echo { return echoGrain{} }, time.Minute) // a minute is the generator's default
	p.cluster = cluster.New(silentProtoSystem(), cluster.Configure("bench", provider, disthash.New(),
		remote.Configure("127.0.0.1", 0),
		cluster.WithKinds(kind),
		cluster.WithRequestTimeout(callTimeout)))
	p.cluster.StartMember()
	return nil
}

func (p *protoGrain) Caller(context.Context) echo {
	clients := make([]*grain.EchoGrainClient, p.actors)
	for i := range clients {
		clients[i] = grain.GetEchoGrainClient(p.cluster, fmt.Sprintf("echo-%d", i))
	}
	return func(actor int, msg string) (string, error) { return askGrain(clients[actor], msg) }
}

func (p *protoGrain) Activate(_ context.Context, key, msg string) (string, error) {
	return askGrain(grain.GetEchoGrainClient(p.cluster, key), msg)
}

func (p *protoGrain) Stop(context.Context) error {
	p.cluster.Shutdown(false)
	return p.cluster.Config.ClusterProvider.Shutdown(false)
}

func askGrain(g *grain.EchoGrainClient, msg string) (string, error) {
	res, err := g.Echo(wrapperspb.String(msg))
	if err != nil {
		return "", err
	}
	return res.GetValue(), nil
}

type echoGrain struct{}

func (echoGrain) Init(cluster.GrainContext)           {}
func (echoGrain) Terminate(cluster.GrainContext)      {}
func (echoGrain) ReceiveDefault(cluster.GrainContext) {}
func (echoGrain) Echo(req *wrapperspb.StringValue, _ cluster.GrainContext) (*wrapperspb.StringValue, error) {
	return wrapperspb.String(req.GetValue()), nil
}
