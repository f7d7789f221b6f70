package main

import (
	"context"
	"fmt"

	"github.com/anthdm/hollywood/actor"

	_ "github.com/mallee-io/mallee/bench/sameprogram" // as Proto.Actor
)

// hollywood is an actor of Hollywood on an engine without remote: the caller
// holds its PID, and spawns it to activate it.
type hollywood struct {
	engine *actor.Engine
	echoes []*actor.PID
}

type (
	hollywoodPing struct{ msg string }
	hollywoodPong struct{ msg string }
)

var _ activator = (*hollywood)(nil)

func (h *hollywood) Start(_ context.Context, actors int) (err error) {
	h.engine, err = actor.NewEngine(actor.NewEngineConfig())
	if err != nil {
		return err
	}
	for i := range actors {
		h.echoes = append(h.echoes, h.spawn(fmt.Sprintf("echo-%d", i)))
	}
	return nil
}

func (h *hollywood) Caller(context.Context) echo {
	return func(actor int, msg string) (string, error) { return h.ask(h.echoes[actor], msg) }
}

func (h *hollywood) Activate(_ context.Context, key, msg string) (string, error) {
	return h.ask(h.spawn(key), msg)
}

// Stop ends the echo actors. An engine has no end of its own.
func (h *hollywood) Stop(context.Context) error {
	for _, pid := range h.echoes {
		<-h.engine.Poison(pid).Done()
	}
	return nil
}

func (h *hollywood) spawn(key string) *actor.PID {
	return h.engine.Spawn(newHollywoodEcho, "echo", actor.WithID(key))
}

func (h *hollywood) ask(pid *actor.PID, msg string) (string, error) {
	res, err := h.engine.Request(pid, &hollywoodPing{msg}, callTimeout).Result()
	if err != nil {
		return "", err
	}
	pong, ok := res.(*hollywoodPong)
	if !ok {
		return "", fmt.Errorf("the answer is a %T", res)
	}
	return pong.msg, nil
}

type hollywoodEcho struct{}

func newHollywoodEcho() actor.Receiver { return hollywoodEcho{} }

func (hollywoodEcho) Receive(c *actor.Context) {
	if ping, ok := c.Message().(*hollywoodPing); ok {
		c.Respond(&hollywoodPong{ping.msg})
	}
}
