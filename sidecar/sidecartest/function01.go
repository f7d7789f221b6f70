package sidecartest

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/functionpb"
)

// Dialect01 makes a function one of protocol 0.1, for Config.Spec: its actions
// are stateless functions, it does not say which protocol it speaks, and the
// option for entity keys has its old number, by which sidecars know that its
// replicated entities speak 0.1.
func Dialect01(spec *cloudstatepb.EntitySpec) {
	spec.ServiceInfo.ProtocolMinorVersion = 0
	spec.Proto = oldKeys(spec.GetProto())
	for _, e := range spec.GetEntities() {
		if e.GetEntityType() == typeAction {
			e.EntityType = typeFunction
		}
	}
}

// oldEntityKey is the number that the option for entity keys had before.
const oldEntityKey = 50002

// oldKeys gives the option its old number, where it is declared and in fields.
func oldKeys(set []byte) []byte {
	files := DecodeFiles(set)
	for _, f := range files {
		for _, x := range f.GetExtension() {
			if f.GetPackage() == "cloudstate" && x.GetName() == "entity_key" {
				x.Number = proto.Int32(oldEntityKey)
			}
		}
		for _, m := range f.GetMessageType() {
			for _, field := range m.GetField() {
				oldKey(field.GetOptions())
			}
		}
	}
	return EncodeFiles(files)
}

func oldKey(o *descriptorpb.FieldOptions) {
	if !proto.HasExtension(o, cloudstatepb.E_EntityKey) {
		return
	}
	proto.SetExtension(o, cloudstatepb.E_LegacyEntityKey, proto.GetExtension(o, cloudstatepb.E_EntityKey))
	proto.ClearExtension(o, cloudstatepb.E_EntityKey)
}

// function serves the actions of protocol 0.1. Every message names what is
// called, and there are no metadata.
type function struct {
	functionpb.UnimplementedStatelessFunctionServer
	f *Function
}

func runFunction(in *functionpb.FunctionCommand) ([]outcome, error) {
	if in.GetServiceName() == "" || in.GetName() == "" || in.GetPayload() == nil {
		return nil, violation("a stateless function gets %s", short(in))
	}
	return act(in.GetServiceName(), in.GetName(), in.GetPayload(), nil)
}

// HandleUnary answers one command with one reply.
func (s function) HandleUnary(ctx context.Context, in *functionpb.FunctionCommand) (*functionpb.FunctionReply, error) {
	outcomes, err := runFunction(in)
	if err != nil {
		return nil, err
	}
	return s.one(ctx, in, combine(outcomes))
}

// HandleStreamedIn answers many commands with one reply.
func (s function) HandleStreamedIn(stream grpc.ClientStreamingServer[functionpb.FunctionCommand, functionpb.FunctionReply]) error {
	var all []outcome
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		outcomes, err := runFunction(in)
		if err != nil {
			return err
		}
		all = append(all, outcomes...)
	}
	out, err := s.one(stream.Context(), nil, combine(all))
	if err != nil {
		return err
	}
	return stream.SendAndClose(out)
}

func (s function) one(ctx context.Context, in proto.Message, o outcome) (*functionpb.FunctionReply, error) {
	out, err := s.f.config.Misbehave(ctx, in, []proto.Message{functionReply(o)})
	if err != nil || len(out) == 0 {
		return &functionpb.FunctionReply{}, err
	}
	return out[0].(*functionpb.FunctionReply), nil
}

// HandleStreamedOut answers one command with many replies.
func (s function) HandleStreamedOut(in *functionpb.FunctionCommand, stream grpc.ServerStreamingServer[functionpb.FunctionReply]) error {
	outcomes, err := runFunction(in)
	if err != nil {
		return err
	}
	out, err := s.f.config.Misbehave(stream.Context(), in, functionReplies(outcomes))
	for _, m := range out {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return err
}

// HandleStreamed answers each of many commands with any number of replies.
func (s function) HandleStreamed(stream grpc.BidiStreamingServer[functionpb.FunctionCommand, functionpb.FunctionReply]) error {
	return converse(s.f.config.Misbehave, stream, func() proto.Message { return new(functionpb.FunctionCommand) }, func(in proto.Message) ([]proto.Message, error) {
		if in == nil {
			return nil, nil
		}
		outcomes, err := runFunction(in.(*functionpb.FunctionCommand))
		return functionReplies(outcomes), err
	})
}

func functionReplies(all []outcome) (out []proto.Message) {
	for _, o := range all {
		out = append(out, functionReply(o))
	}
	return out
}

func functionReply(o outcome) *functionpb.FunctionReply {
	r := &functionpb.FunctionReply{SideEffects: o.effects}
	switch a := o.clientAction(0, false); {
	case a.GetReply() != nil:
		r.Response = &functionpb.FunctionReply_Reply{Reply: a.GetReply()}
	case a.GetForward() != nil:
		r.Response = &functionpb.FunctionReply_Forward{Forward: a.GetForward()}
	case a.GetFailure() != nil:
		r.Response = &functionpb.FunctionReply_Failure{Failure: a.GetFailure()}
	}
	return r
}
