package main

import (
	"context"
	"time"
)

// callTimeout is what contestants whose calls take a timeout are given, so that
// all of them pay for having one. Calls take microseconds: it ends none.
const callTimeout = 5 * time.Second

// A contestant is one way to do what a suite measures, in its default
// configuration but for silenced logs. It is started once.
type contestant interface {
	// Start brings it up; in the suite local, a node on which the echo actors
	// 0 to actors-1 answer.
	Start(ctx context.Context, actors int) error

	// Stop frees what it holds. A process that ends anyway need not call it.
	Stop(ctx context.Context) error
}

// A caller is a contestant that runs echo actors.
type caller interface {
	// Caller returns the call that one caller, a goroutine of its own, makes:
	// what a caller can prepare once, such as references, is prepared here.
	// ctx lasts as long as the calls.
	Caller(ctx context.Context) echo
}

// echo asks an echo actor for msg and returns its answer.
type echo func(actor int, msg string) (string, error)

// An activator is a contestant that brings up actors by name.
type activator interface {
	// Activate makes the first call to the echo actor named key, which does
	// not exist yet, and returns its answer. Callers call it at the same time.
	Activate(ctx context.Context, key, msg string) (string, error)
}

func isActivator(c contestant) bool {
	_, ok := c.(activator)
	return ok
}

// An entrant is a contestant before the start: the name in the report, and a
// way to make it.
type entrant struct {
	name string
	make func() contestant
}
