package route

import (
	"context"
	"errors"
	"io"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar/internal/action"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// isAction reports whether the service is an action of the user function.
func isAction(s *spec.Service) bool { return s.Kind == spec.Action || s.Kind == spec.Stateless }

// act answers a call of one message by an action of the user function.
func (r *Router) act(ctx context.Context, from mallee.Caller, c *command.Command, to deliver) error {
	ctx, cancel := context.WithCancel(ctx) // ends the stream, however this ends
	defer cancel()
	call, err := r.begin(ctx, c)
	if err != nil {
		return err
	}
	return r.answers(ctx, from, call, c, to)
}

// begin sends the action all that it gets.
func (r *Router) begin(ctx context.Context, c *command.Command) (*action.Call, error) {
	call, err := action.Open(ctx, r.config.Function, c.On, c.Metadata)
	if err != nil {
		return nil, err
	}
	if err := call.Send(c.Payload); err != nil {
		return nil, err
	}
	return call, call.CloseSend()
}

// answers carries out the answers to c, strictly one after the other.
func (r *Router) answers(ctx context.Context, from mallee.Caller, call *action.Call, c *command.Command, to deliver) error {
	to = r.published(ctx, c.On, to)
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.effects(ctx, from, response.GetSideEffects(), c); err != nil {
			return err
		}
		if err := r.carryOut(ctx, from, response, c, to); err != nil {
			return err
		}
	}
}

// answer is what a user function wants to become of a call: one of these, or
// nothing.
type answer interface {
	GetReply() *cloudstatepb.Reply
	GetForward() *cloudstatepb.Forward
	GetFailure() *cloudstatepb.Failure
}

var (
	_ answer = (*actionpb.ActionResponse)(nil)
	_ answer = (*cloudstatepb.ClientAction)(nil)
)

// carryOut does what an answer to c asks for, after its effects.
func (r *Router) carryOut(ctx context.Context, from mallee.Caller, a answer, c *command.Command, to deliver) error {
	switch {
	case a.GetFailure() != nil:
		return command.Failed(a.GetFailure().GetDescription())
	case a.GetForward() != nil:
		return r.forward(ctx, from, a.GetForward(), c, to)
	case a.GetReply() != nil:
		return to(r.Reply(a.GetReply(), c.On))
	}
	return nil
}
