package route

import (
	"context"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Reply makes a reply of what the method on has answered with, and tells the
// developer when it is of another type than the method's.
func (r *Router) Reply(p *cloudstatepb.Reply, on *spec.Method) *command.Reply {
	reply := &command.Reply{Payload: command.PayloadOf(p.GetPayload()), Metadata: command.MetadataOf(p.GetMetadata())}
	r.checkType(reply, on, "answered")
	return reply
}

func (r *Router) checkType(reply *command.Reply, on *spec.Method, how string) {
	if reply.Payload.TypeURL != on.OutputURL() {
		r.config.Report(fmt.Sprintf("Warning: %s.%s has %s with %q, but is declared to answer with %q.",
			on.Service.Name, on.Name, how, reply.Payload.TypeURL, on.OutputURL()))
	}
}

// Forward carries out a forward that the method on has answered with. The reply
// is that of the service which it was forwarded to; nil for none.
func (r *Router) Forward(ctx context.Context, from mallee.Caller, f *cloudstatepb.Forward, on *spec.Method, trail []command.Step) (*command.Reply, error) {
	var first command.Command
	err := r.forward(ctx, from, f, on, trail, firstTo(&first))
	if err != nil {
		return nil, err
	}
	return first.Reply, nil
}

func (r *Router) forward(ctx context.Context, from mallee.Caller, f *cloudstatepb.Forward, on *spec.Method, trail []command.Step, to deliver) error {
	c, err := r.command(f, command.Step{Service: on.Service.Name, Method: on.Name}, trail)
	if err != nil {
		return err
	}
	return r.run(ctx, from, c, func(reply *command.Reply) error {
		r.checkType(reply, on, "been answered, by a forward,")
		return to(reply)
	})
}
