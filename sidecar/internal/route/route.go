// Package route brings commands to the services that answer them, and carries
// out what user functions ask for in their answers: replies, failures, forwards
// and side effects.
package route

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Config is what a Router needs.
type Config struct {
	Model    *spec.Model
	Function grpc.ClientConnInterface // the user function
	Actors   mallee.Caller            // the node
	Report   func(text string)        // tells the user function's developer; must not block

	// Publish gives a reply to the topic of its method, before it is delivered.
	// It may be nil where no method has a topic.
	Publish func(ctx context.Context, m *spec.Method, r *command.Reply) error

	Log *slog.Logger
}

// Router is safe for concurrent use.
type Router struct{ config Config }

// New makes a router.
func New(c Config) *Router { return &Router{c} }

var _ command.Server = (*Router)(nil)

// Serve answers a client's call.
func (r *Router) Serve(_ context.Context, _ *spec.Method, _ command.Metadata, _ command.Exchange) error {
	panic("not yet")
}

// Call answers a call of one message: c.Reply gets the answer, nil for none. Of
// a streamed method all answers but the first are dropped. From is the node or,
// inside of an entity, its Self.
func (r *Router) Call(_ context.Context, _ mallee.Caller, _ *command.Command) error {
	panic("not yet")
}

// Effect carries out a side effect that the method on has asked for, and waits
// for it, whether it is synchronous or not. The error is one of the way to the
// service: a failure that it answers with counts as an answer.
func (r *Router) Effect(_ context.Context, _ mallee.Caller, _ *cloudstatepb.SideEffect, _ *spec.Method, _ []command.Step) error {
	panic("not yet")
}

// Forward carries out a forward that the method on has answered with.
func (r *Router) Forward(_ context.Context, _ mallee.Caller, _ *cloudstatepb.Forward, _ *spec.Method, _ []command.Step) (*command.Reply, error) {
	panic("not yet")
}

// Reply makes a reply of what the method on has answered with, and tells the
// developer when it is of another type than the method's.
func (r *Router) Reply(_ *cloudstatepb.Reply, _ *spec.Method) *command.Reply { panic("not yet") }
