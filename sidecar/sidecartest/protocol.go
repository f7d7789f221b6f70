package sidecartest

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/functionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
)

// The calls that a sidecar makes.
const (
	Discover    = "/cloudstate.EntityDiscovery/discover"
	ReportError = "/cloudstate.EntityDiscovery/reportError"

	EventSourced = "/cloudstate.eventsourced.EventSourced/handle"
	ValueEntity  = "/cloudstate.valueentity.ValueEntity/handle"

	CRDT = "/cloudstate.crdt.Crdt/handle"

	ActionUnary       = "/cloudstate.action.ActionProtocol/handleUnary"
	ActionStreamedIn  = "/cloudstate.action.ActionProtocol/handleStreamedIn"
	ActionStreamedOut = "/cloudstate.action.ActionProtocol/handleStreamedOut"
	ActionStreamed    = "/cloudstate.action.ActionProtocol/handleStreamed"

	// Actions in protocol 0.1.
	FunctionUnary       = "/cloudstate.function.StatelessFunction/handleUnary"
	FunctionStreamedIn  = "/cloudstate.function.StatelessFunction/handleStreamedIn"
	FunctionStreamedOut = "/cloudstate.function.StatelessFunction/handleStreamedOut"
	FunctionStreamed    = "/cloudstate.function.StatelessFunction/handleStreamed"
)

// messages are what a method takes and what it answers with; nil for methods
// that this package does not know.
func messages(method string) (in, out proto.Message) {
	switch method {
	case Discover:
		return new(cloudstatepb.ProxyInfo), new(cloudstatepb.EntitySpec)
	case ReportError:
		return new(cloudstatepb.UserFunctionError), new(emptypb.Empty)
	case EventSourced:
		return new(eventsourcedpb.EventSourcedStreamIn), new(eventsourcedpb.EventSourcedStreamOut)
	case ValueEntity:
		return new(valueentitypb.ValueEntityStreamIn), new(valueentitypb.ValueEntityStreamOut)
	case CRDT:
		return new(crdtpb.CrdtStreamIn), new(crdtpb.CrdtStreamOut)
	case ActionUnary, ActionStreamedIn, ActionStreamedOut, ActionStreamed:
		return new(actionpb.ActionCommand), new(actionpb.ActionResponse)
	case FunctionUnary, FunctionStreamedIn, FunctionStreamedOut, FunctionStreamed:
		return new(functionpb.FunctionCommand), new(functionpb.FunctionReply)
	}
	return nil, nil
}

// frame is a message that is passed on as it is.
type frame struct{ bytes []byte }

// frames is the codec of what is passed on.
type frames struct{}

func (frames) Marshal(v any) ([]byte, error) { return v.(*frame).bytes, nil }
func (frames) Unmarshal(b []byte, v any) error {
	v.(*frame).bytes = append([]byte(nil), b...)
	return nil
}
func (frames) Name() string { return "proto" }
