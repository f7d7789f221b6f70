package route

import (
	"context"
	"errors"
	"io"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/action"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

var _ command.Server = (*Router)(nil)

// Serve answers a client's call. After a call of an action that takes many
// messages, x.Recv may be left waiting.
func (r *Router) Serve(ctx context.Context, m *spec.Method, md command.Metadata, x command.Exchange) error {
	if m.ClientStreams && isAction(m.Service) {
		return r.serveStream(ctx, m, md, x)
	}
	value, err := only(x, m)
	if err != nil {
		return err
	}
	c := &command.Command{On: m, Payload: command.Payload{TypeURL: m.InputURL(), Value: value}, Metadata: md, Many: m.ServerStreams}
	return r.run(ctx, r.config.Actors, c, x.Send)
}

// only is the one message of a client.
func only(x command.Exchange, m *spec.Method) ([]byte, error) {
	value, err := x.Recv()
	if errors.Is(err, io.EOF) {
		return nil, mallee.ErrInvalid.Errorf("%s.%s was called without a message", m.Service.Name, m.Name).BeforeRun()
	}
	if err != nil {
		return nil, err
	}
	switch _, err := x.Recv(); {
	case err == nil:
		return nil, mallee.ErrInvalid.Errorf("%s.%s takes one message, and was called with more", m.Service.Name, m.Name).BeforeRun()
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return value, nil
}

// serveStream answers a call of a client that may send many messages to an
// action.
func (r *Router) serveStream(ctx context.Context, m *spec.Method, md command.Metadata, x command.Exchange) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	call, err := action.Open(ctx, r.config.Function, m, md)
	if err != nil {
		return err
	}
	lost := &clientError{}
	go func() {
		if lost.error = passOn(x, call, m); lost.error != nil {
			cancel(lost)
		}
	}()
	err = r.answers(ctx, r.config.Actors, call, &command.Command{On: m, Many: m.ServerStreams}, x.Send)
	if err != nil && context.Cause(ctx) == error(lost) {
		return lost.error
	}
	return err
}

// clientError ends a call because of what its client has sent or failed to send.
type clientError struct{ error }

// passOn gives the client's messages to the action until there are no more.
func passOn(x command.Exchange, to *action.Call, m *spec.Method) error {
	for {
		value, err := x.Recv()
		if errors.Is(err, io.EOF) {
			return to.CloseSend()
		}
		if err != nil {
			return err
		}
		if err := to.Send(command.Payload{TypeURL: m.InputURL(), Value: value}); err != nil {
			return err
		}
	}
}
