package sidecartest

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// pack makes a payload of a message, of the same bytes each time.
func pack(m proto.Message) *anypb.Any {
	var a anypb.Any
	if err := anypb.MarshalFrom(&a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err) // never: the messages are ours
	}
	return &a
}

// unpack reads a payload of exactly that type.
func unpack(a *anypb.Any, m proto.Message) error {
	if err := a.UnmarshalTo(m); err != nil {
		return violation("payload: %v", err)
	}
	return nil
}

// textURL is the type of texts.
const textURL = "p.cloudstate.io/string"

// packText makes a payload of a text, as the libraries have theirs.
func packText(text string) *anypb.Any { return packField(textURL, text) }

// unpackText reads a payload of a text. Some libraries leave an empty one out.
func unpackText(a *anypb.Any) (string, error) {
	switch {
	case a.GetTypeUrl() != textURL:
		return "", violation("a payload of type %q, not a text", a.GetTypeUrl())
	case len(a.GetValue()) == 0:
		return "", nil
	}
	return unpackField(a)
}

// packJSON makes a payload of JSON.
func packJSON(name, text string) *anypb.Any { return packField("json.cloudstate.io/"+name, text) }

// packField makes a payload whose field 1 is a text.
func packField(url, text string) *anypb.Any {
	return &anypb.Any{TypeUrl: url, Value: protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)}
}

// unpackField reads a payload whose field 1 is a text: JSON, among others.
func unpackField(a *anypb.Any) (text string, err error) {
	number, kind, n := protowire.ConsumeTag(a.GetValue())
	if number != 1 || kind != protowire.BytesType {
		return "", violation("a payload of type %s has no field 1", a.GetTypeUrl())
	}
	b, m := protowire.ConsumeBytes(a.GetValue()[n:])
	if m < 0 {
		return "", violation("payload of type %s: %v", a.GetTypeUrl(), protowire.ParseError(m))
	}
	return string(b), nil
}

// violation is the error of what a sidecar must not do. The library for Go ends
// a stream with this code.
func violation(format string, args ...any) error {
	return status.Error(codes.Aborted, fmt.Sprintf(format, args...))
}

// outcome is what a model does with a command, of whatever kind of entity.
type outcome struct {
	reply   proto.Message // the message of a reply; nil: no reply
	forward *cloudstatepb.Forward
	fail    string // empty: it does not fail
	effects []*cloudstatepb.SideEffect
}

// clientAction is what the caller gets; nil for nothing.
func (o outcome) clientAction(commandID int64, restart bool) *cloudstatepb.ClientAction {
	switch {
	case o.fail != "":
		f := &cloudstatepb.Failure{CommandId: commandID, Description: o.fail, Restart: restart}
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{Failure: f}}
	case o.forward != nil:
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Forward{Forward: o.forward}}
	case o.reply != nil:
		r := &cloudstatepb.Reply{Payload: pack(o.reply)}
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: r}}
	}
	return nil
}

func forwardTo(service, method string, m proto.Message) *cloudstatepb.Forward {
	return &cloudstatepb.Forward{ServiceName: service, CommandName: method, Payload: pack(m)}
}

func effectOn(service, method string, m proto.Message, synchronous bool) *cloudstatepb.SideEffect {
	return &cloudstatepb.SideEffect{ServiceName: service, CommandName: method, Payload: pack(m), Synchronous: synchronous}
}
