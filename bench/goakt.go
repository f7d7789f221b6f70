package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tochemey/goakt/v3/actor"
	"github.com/tochemey/goakt/v3/log"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// goAkt is a local actor of GoAkt: the caller holds its PID, and spawns it to
// activate it. Version 3.4 has no virtual actors.
type goAkt struct {
	system actor.ActorSystem
	echoes []*actor.PID
}

var _ activator = (*goAkt)(nil)

func (g *goAkt) Start(ctx context.Context, actors int) (err error) {
	// Not log.DiscardLogger: that one formats every debug line and then drops it.
	g.system, err = actor.NewActorSystem("bench", actor.WithLogger(log.New(log.ErrorLevel, io.Discard)))
	if err != nil {
		return err
	}
	if err := g.system.Start(ctx); err != nil {
		return err
	}
	for i := range actors {
		pid, err := g.system.Spawn(ctx, fmt.Sprintf("echo-%d", i), &goAktEcho{})
		if err != nil {
			return err
		}
		g.echoes = append(g.echoes, pid)
	}
	return nil
}

func (g *goAkt) Caller(ctx context.Context) echo {
	return func(actor int, msg string) (string, error) { return askGoAkt(ctx, g.echoes[actor], msg) }
}

func (g *goAkt) Activate(ctx context.Context, key, msg string) (string, error) {
	pid, err := g.system.Spawn(ctx, key, &goAktEcho{})
	if err != nil {
		return "", err
	}
	return askGoAkt(ctx, pid, msg)
}

func (g *goAkt) Stop(ctx context.Context) error { return g.system.Stop(ctx) }

func askGoAkt(ctx context.Context, pid *actor.PID, msg string) (string, error) {
	res, err := actor.Ask(ctx, pid, wrapperspb.String(msg), callTimeout)
	if err != nil {
		return "", err
	}
	pong, ok := res.(*wrapperspb.StringValue)
	if !ok {
		return "", fmt.Errorf("the answer is a %T", res)
	}
	return pong.GetValue(), nil
}

type goAktEcho struct{}

func (*goAktEcho) PreStart(*actor.Context) error { return nil }
func (*goAktEcho) PostStop(*actor.Context) error { return nil }
func (*goAktEcho) Receive(c *actor.ReceiveContext) {
	if ping, ok := c.Message().(*wrapperspb.StringValue); ok {
		c.Response(wrapperspb.String(ping.GetValue()))
	}
}
