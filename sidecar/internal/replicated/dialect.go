package replicated

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// dialect makes the messages to the user function and reads its own, in one
// version of the protocol. A delta that makes a whole value out of none is an
// initial one.
type dialect interface {
	// begin is the first message of a stream; initial is nil where there is no
	// value.
	begin(service, id string, initial *crdt.Delta) (proto.Message, error)
	// appeared is told of a value where there was none, changed of another change.
	appeared(initial *crdt.Delta) (proto.Message, error)
	changed(d *crdt.Delta) (proto.Message, error)
	deleted() proto.Message
	command(c *cloudstatepb.Command) proto.Message
	cancelled(c *cloudstatepb.StreamCancelled) proto.Message
	// message is an empty message of the user function, which read reads.
	message() proto.Message
	read(m proto.Message) (said, error)
}

func dialectOf(d spec.Dialect) dialect {
	if d == spec.Dialect01 {
		return dialect01{}
	}
	return dialect02{}
}

// said is a message of the user function.
type said struct {
	what    word
	id      int64 // of a command
	action  *cloudstatepb.ClientAction
	effects []*cloudstatepb.SideEffect
	change  *change // nil: none
	streams bool    // a reply: more follows
	ends    bool    // a streamed message: nothing follows
	failure string
}

// word is what kind of message it is.
type word uint8

const (
	reply word = iota + 1
	streamedMessage
	cancelResponse
	failure
)

// change is what becomes of the value.
type change struct {
	delta       *crdt.Delta // nil: it is deleted
	creates     bool        // delta is the whole value
	consistency crdt.Consistency
}

var (
	errNothing = errors.New("the user function has sent a message with nothing in it")
	// errOtherDialect: the service is to be served in the other one.
	errOtherDialect = errors.New("the user function has answered in the other dialect of the protocol")
)

// The parts in which the dialects do not differ.
type (
	replied interface {
		GetCommandId() int64
		GetClientAction() *cloudstatepb.ClientAction
		GetSideEffects() []*cloudstatepb.SideEffect
	}
	valued       interface{ GetValue() *anypb.Any }
	entry[D any] interface {
		GetKey() *anypb.Any
		GetDelta() D
	}
)

func saidReply(r replied, streams bool) said {
	return said{what: reply, id: r.GetCommandId(), action: r.GetClientAction(), effects: r.GetSideEffects(), streams: streams}
}

func saidStreamed(r replied, ends bool) said {
	return said{what: streamedMessage, id: r.GetCommandId(), action: r.GetClientAction(), effects: r.GetSideEffects(), ends: ends}
}

func saidFailure(f *cloudstatepb.Failure) said {
	return said{what: failure, id: f.GetCommandId(), failure: f.GetDescription()}
}

func consistencyOf(c crdtpb.CrdtWriteConsistency) (crdt.Consistency, error) {
	if _, known := crdtpb.CrdtWriteConsistency_name[int32(c)]; !known {
		return 0, fmt.Errorf("the user function has asked for the unknown write consistency %d", c)
	}
	return crdt.Consistency(c), nil
}

// dialect02 is protocol 0.2.
type dialect02 struct{}

func (dialect02) begin(service, id string, initial *crdt.Delta) (proto.Message, error) {
	p := &crdtpb.CrdtInit{ServiceName: service, EntityId: id}
	if initial != nil {
		var err error
		if p.Delta, err = protoOf(initial); err != nil {
			return nil, err
		}
	}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: p}}, nil
}

func (d dialect02) appeared(initial *crdt.Delta) (proto.Message, error) { return d.changed(initial) }

func (dialect02) changed(d *crdt.Delta) (proto.Message, error) {
	p, err := protoOf(d)
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: p}}, err
}

func (dialect02) deleted() proto.Message {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}}
}

func (dialect02) command(c *cloudstatepb.Command) proto.Message {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: c}}
}

func (dialect02) cancelled(c *cloudstatepb.StreamCancelled) proto.Message {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: c}}
}

func (dialect02) message() proto.Message { return &crdtpb.CrdtStreamOut{} }

func (d dialect02) read(m proto.Message) (s said, err error) {
	switch m := m.(*crdtpb.CrdtStreamOut).GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		s = saidReply(m.Reply, m.Reply.GetStreamed())
		s.change, err = d.change(m.Reply.GetStateAction())
	case *crdtpb.CrdtStreamOut_StreamedMessage:
		s = saidStreamed(m.StreamedMessage, m.StreamedMessage.GetEndStream())
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		r := m.StreamCancelledResponse
		s = said{what: cancelResponse, id: r.GetCommandId(), effects: r.GetSideEffects()}
		s.change, err = d.change(r.GetStateAction())
	case *crdtpb.CrdtStreamOut_Failure:
		s = saidFailure(m.Failure)
	default:
		err = errNothing
	}
	return s, err
}

func (dialect02) change(p *crdtpb.CrdtStateAction) (c *change, err error) {
	if p == nil {
		return nil, nil
	}
	c = &change{}
	switch action := p.GetAction().(type) {
	case *crdtpb.CrdtStateAction_Update:
		c.delta, err = deltaOf(action.Update)
	case *crdtpb.CrdtStateAction_Delete:
	default:
		if len(p.ProtoReflect().GetUnknown()) > 0 {
			return nil, errOtherDialect
		}
		err = errStateAction
	}
	if err == nil {
		c.consistency, err = consistencyOf(p.GetWriteConsistency())
	}
	return c, err
}

var errStateAction = errors.New("the user function has sent a state action with nothing in it")
