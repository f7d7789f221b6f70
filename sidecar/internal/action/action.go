// Package action brings calls to the actions of the user function: services
// without state, of which each call is one gRPC call of
// cloudstate.action.ActionProtocol or, in dialect 0.1, of
// cloudstate.function.StatelessFunction. What the answers ask for is not its
// concern.
package action

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Call is one call of an action. One goroutine may send while another one
// receives.
type Call struct {
	on       *spec.Method
	metadata *cloudstatepb.Metadata
	stream   grpc.ClientStream
	ended    bool
}

// Open begins a call. Its stream ends with ctx, which the caller has to end
// unless it has received until an error.
//
// A method that takes many messages is told of the call at once, before there
// is any. In dialect 0.1 each message names the method instead.
func Open(ctx context.Context, function grpc.ClientConnInterface, on *spec.Method, md command.Metadata) (*Call, error) {
	desc := &grpc.StreamDesc{StreamName: rpc(on), ClientStreams: on.ClientStreams, ServerStreams: on.ServerStreams}
	stream, err := function.NewStream(ctx, desc, "/"+string(on.Service.Kind)+"/"+desc.StreamName)
	if err != nil {
		return nil, failed(on, err)
	}
	c := &Call{on: on, metadata: md.Proto(), stream: stream}
	if !c.headed() {
		return c, nil
	}
	if err := c.send(c.header()); err != nil {
		return nil, err
	}
	c.metadata = &cloudstatepb.Metadata{} // there, but empty, in all others
	return c, nil
}

// rpc is the method of the protocol that has the kind of the user's method.
func rpc(on *spec.Method) string {
	switch {
	case on.ClientStreams && on.ServerStreams:
		return "handleStreamed"
	case on.ClientStreams:
		return "handleStreamedIn"
	case on.ServerStreams:
		return "handleStreamedOut"
	default:
		return "handleUnary"
	}
}

// headed reports whether the first message is one without a payload, which
// alone names the method.
func (c *Call) headed() bool { return c.on.ClientStreams && c.on.Service.Kind == spec.Action }

func (c *Call) header() *actionpb.ActionCommand {
	return &actionpb.ActionCommand{ServiceName: c.on.Service.Name, Name: c.on.Name, Metadata: c.metadata}
}

// Send gives the action a message of the caller.
func (c *Call) Send(p command.Payload) error {
	m := &actionpb.ActionCommand{Metadata: c.metadata}
	if !c.headed() {
		m = c.header()
	}
	m.Payload = p.Any()
	return c.send(m)
}

// send makes use of it that the messages of dialect 0.1 have the same fields,
// but no metadata.
func (c *Call) send(m *actionpb.ActionCommand) error {
	if c.on.Service.Kind == spec.Stateless {
		m.Metadata = nil
	}
	err := c.stream.SendMsg(m)
	if errors.Is(err, io.EOF) { // the call has ended; Recv tells how
		return nil
	}
	return failed(c.on, err)
}

// CloseSend tells the action that the caller has no more messages.
func (c *Call) CloseSend() error { return failed(c.on, c.stream.CloseSend()) }

// Recv is the next answer of the action, or io.EOF after the last.
func (c *Call) Recv() (*actionpb.ActionResponse, error) {
	if c.ended {
		return nil, io.EOF
	}
	c.ended = !c.on.ServerStreams
	m := &actionpb.ActionResponse{}
	if err := c.stream.RecvMsg(m); err != nil {
		return nil, failed(c.on, err)
	}
	return m, nil
}
