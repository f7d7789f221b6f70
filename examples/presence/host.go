package main

import (
	"context"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Host is an actor, so it is on one node at a time; it uses that node's copies.
//
//mallee:actor
type Host interface {
	// Welcome says who is there already.
	Welcome(ctx context.Context, name string) (greeting string, err error)
}

type host struct {
	online *mallee.Replicated[crdt.ORSet[string]]
}

func newHost(self *mallee.Self) Host {
	return &host{mallee.NewReplicated[crdt.ORSet[string]](self, onlineID)}
}

func (h *host) Welcome(ctx context.Context, name string) (string, error) {
	there, err := h.online.Value.Len()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Welcome %s! %d are online, and you.", name, there), h.online.Value.Add(name)
}
