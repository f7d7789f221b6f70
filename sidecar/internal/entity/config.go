package entity

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Defaults of Config.
const (
	DefaultRelayTimeout = time.Minute
	DefaultIdleTimeout  = 30 * time.Second
	DefaultCloseTimeout = 5 * time.Second
	DefaultMaxMessage   = 12 << 20
	DefaultMaxOutgoing  = 10_000
)

// Config is what entities need.
type Config struct {
	Function grpc.ClientConnInterface // the user function
	Router   Router

	// Follow makes the follower of an activation of an event sourced entity. It
	// is called in the activation's constructor. Nil: nobody follows.
	Follow func(a mallee.Activation, s *spec.Service) Follower

	// RelayTimeout bounds how long the user function may take for a command, and
	// for taking a message. Defaults to DefaultRelayTimeout.
	RelayTimeout time.Duration

	// IdleTimeout ends entities without commands for so long, where their service
	// does not say. Defaults to DefaultIdleTimeout.
	IdleTimeout time.Duration

	// CloseTimeout bounds how long the user function may take to end a stream
	// that the entity has ended; then it is canceled. Defaults to
	// DefaultCloseTimeout.
	CloseTimeout time.Duration

	// Streams bounds the streams of all types that are given the same one. Nil: no
	// bound.
	Streams *Streams

	// MaxMessage bounds messages of the user function, in bytes. Defaults to
	// DefaultMaxMessage.
	MaxMessage int

	// MaxOutgoing bounds the forwards and effects of one entity that are not done:
	// commands that ask for more fail. Defaults to DefaultMaxOutgoing.
	MaxOutgoing int

	// WholeReplay gives event sourced entities all of their events instead of a
	// snapshot and those after it, for user functions that cannot read snapshots.
	WholeReplay bool

	// PassMetadata gives the metadata of a call to the entity. The protocol's own
	// proxy never does, and its conformance tests want none.
	PassMetadata bool

	// Figures are counted for the type. Defaults to nowhere.
	Figures *Figures

	// Log defaults to slog.Default.
	Log *slog.Logger
}

// Router carries out what user functions ask for in their answers. It is
// implemented by *route.Router.
type Router interface {
	Effect(ctx context.Context, from mallee.Caller, effect *cloudstatepb.SideEffect, on *spec.Method, trail []command.Step) error
	Forward(ctx context.Context, from mallee.Caller, forward *cloudstatepb.Forward, on *spec.Method, trail []command.Step) (*command.Reply, error)
	Reply(reply *cloudstatepb.Reply, on *spec.Method) *command.Reply
}

// Follower brings the events of one entity to those who have subscribed to them.
// Its methods are called in the turns of the activation, but for Release.
type Follower interface {
	// Load is called when the activation starts, also after a crash: it finds out
	// what is to be delivered still. An error fails the activation.
	Load(ctx context.Context) error
	// Appended is told of events that are durable now.
	Appended(first, last uint64)
	// Pending reports whether events are to be delivered still. While it does, a
	// reminder keeps the entity from being forgotten.
	Pending() bool
	// Release ends what it runs. It must not block. No method is called after it.
	Release()
}

func (c Config) withDefaults() Config {
	c.RelayTimeout = cmp.Or(c.RelayTimeout, DefaultRelayTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, DefaultCloseTimeout)
	c.MaxMessage = cmp.Or(c.MaxMessage, DefaultMaxMessage)
	c.MaxOutgoing = cmp.Or(c.MaxOutgoing, DefaultMaxOutgoing)
	if c.Figures == nil {
		c.Figures = &Figures{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}
