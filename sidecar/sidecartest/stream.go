package sidecartest

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// converse answers each message of a stream with those of step, which is given
// nil at the end of the sidecar's messages, until it returns an error.
func converse(misbehave Misbehave, s grpc.ServerStream, fresh func() proto.Message, step func(in proto.Message) ([]proto.Message, error)) error {
	for {
		in := fresh()
		err := s.RecvMsg(in)
		last := errors.Is(err, io.EOF)
		if last {
			in = nil
		} else if err != nil {
			return err
		}
		out, failed := step(in)
		if out, err = misbehave(s.Context(), in, out); err == nil {
			err = failed
		}
		for _, m := range out {
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || last {
			return err
		}
	}
}

// entity is what streams of entities have in common: they hold the sidecar to
// the protocol.
type entity struct {
	service, id string
	commands    int64
	over        bool   // it has asked for a restart, and takes no more commands
	streamed    string // the one command that is streamed; empty: none
}

func (e *entity) init(service, id string) error {
	switch {
	case e.service != "":
		return violation("a second init")
	case service == "" || id == "":
		return violation("an init of service %q, entity %q", service, id)
	}
	e.service, e.id = service, id
	return nil
}

// command checks one, and counts it.
func (e *entity) command(c *cloudstatepb.Command) error {
	e.commands++
	switch {
	case e.service == "":
		return violation("a command before the init")
	case e.over:
		return violation("a command, after the entity has asked for a restart")
	case c.GetEntityId() != e.id:
		return violation("a command to entity %q on the stream of %q", c.GetEntityId(), e.id)
	case c.GetId() != e.commands:
		return violation("command %d of the stream has the id %d", e.commands, c.GetId())
	case c.GetStreamed() != (c.GetName() == e.streamed):
		return violation("command %s with streamed = %t", c.GetName(), c.GetStreamed())
	}
	return nil
}
