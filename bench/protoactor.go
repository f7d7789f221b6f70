package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
)

// protoActor is a plain actor of Proto.Actor: the caller holds its PID, and
// spawns it to activate it.
type protoActor struct {
	system *actor.ActorSystem
	props  *actor.Props
	echoes []*actor.PID
}

type (
	protoPing struct{ msg string }
	protoPong struct{ msg string }
)

var _ activator = (*protoActor)(nil)

func (p *protoActor) Start(_ context.Context, actors int) error {
	p.system = silentProtoSystem()
	p.props = actor.PropsFromFunc(func(c actor.Context) {
		if ping, ok := c.Message().(*protoPing); ok {
			c.Respond(&protoPong{ping.msg})
		}
	})
	for range actors {
		p.echoes = append(p.echoes, p.system.Root.Spawn(p.props))
	}
	return nil
}

func (p *protoActor) Caller(context.Context) echo {
	return func(actor int, msg string) (string, error) { return p.ask(p.echoes[actor], msg) }
}

func (p *protoActor) Activate(_ context.Context, key, msg string) (string, error) {
	pid, err := p.system.Root.SpawnNamed(p.props, key)
	if err != nil {
		return "", err
	}
	return p.ask(pid, msg)
}

func (p *protoActor) Stop(context.Context) error {
	p.system.Shutdown()
	return nil
}

func (p *protoActor) ask(pid *actor.PID, msg string) (string, error) {
	res, err := p.system.Root.RequestFuture(pid, &protoPing{msg}, callTimeout).Result()
	if err != nil {
		return "", err
	}
	pong, ok := res.(*protoPong)
	if !ok {
		return "", fmt.Errorf("the answer is a %T", res)
	}
	return pong.msg, nil
}

func silentProtoSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}
