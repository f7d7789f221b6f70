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
	first := &command.Command{On: on, Trail: trail}
	err := r.forward(ctx, from, f, first, firstTo(first))
	if err != nil {
		return nil, err
	}
	return first.Reply, nil
}

// forward carries out a forward that c was answered with.
func (r *Router) forward(ctx context.Context, from mallee.Caller, f *cloudstatepb.Forward, c *command.Command, to deliver) error {
	next, err := r.command(f, command.Step{Service: c.On.Service.Name, Method: c.On.Name}, c.Trail)
	if err != nil {
		return err
	}
	next.Many = c.Many
	return r.run(ctx, from, next, func(reply *command.Reply) error {
		r.checkType(reply, c.On, "been answered, by a forward,")
		return to(reply)
	})
}
