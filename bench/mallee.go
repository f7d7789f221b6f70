package main

import (
	"context"
	"strconv"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/bench/echoer"
	"github.com/mallee-io/mallee/node"
)

// malleeNode is a node with its default configuration: calls end after five
// seconds, mailboxes are bounded, actors are activated by their first call.
type malleeNode struct{ node *node.Node }

var _ activator = (*malleeNode)(nil)

func (m *malleeNode) Start(ctx context.Context, _ int) (err error) {
	m.node, err = node.Start(ctx, node.Config{Types: []mallee.Type{echoer.EchoerType(echoer.New)}})
	return err
}

func (m *malleeNode) Caller(context.Context) echo {
	var refs [echoActors]echoer.EchoerRef
	for i := range refs {
		refs[i] = echoer.EchoerOf(m.node, strconv.Itoa(i))
	}
	return func(actor int, msg string) (string, error) {
		return refs[actor].Echo(context.Background(), msg)
	}
}

func (m *malleeNode) Activate(_ context.Context, key, msg string) (string, error) {
	return echoer.EchoerOf(m.node, key).Echo(context.Background(), msg)
}

func (m *malleeNode) Stop(ctx context.Context) error { return m.node.Stop(ctx) }
