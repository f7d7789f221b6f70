package main

import (
	"errors"
	"io"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/examples/presence/roompb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

type rooms struct{ crdtpb.UnimplementedCrdtServer }

// Handle is one activation of one room at one sidecar: first what the room is, then
// commands, and what others have changed meanwhile. The end of the stream is the end
// of the activation.
func (rooms) Handle(stream crdtpb.Crdt_HandleServer) error {
	r := &room{copy: newCopy(), stays: make(map[int64]string)}
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		answers, err := r.receive(in)
		if err != nil {
			return err
		}
		for _, out := range answers {
			if err := stream.Send(out); err != nil {
				return err
			}
		}
	}
}

// room is this program's part of a room: a copy of what is replicated, and the calls
// that it keeps open.
type room struct {
	copy  *copied
	stays map[int64]string // who stays, by the number of the command
}

func (r *room) receive(in *crdtpb.CrdtStreamIn) ([]*crdtpb.CrdtStreamOut, error) {
	switch m := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Init:
		r.copy.take(m.Init.GetDelta())
	case *crdtpb.CrdtStreamIn_Delta:
		r.copy.take(m.Delta)
		return r.tell(0)
	case *crdtpb.CrdtStreamIn_Command:
		return r.handle(m.Command)
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		return r.leave(m.StreamCancelled.GetId())
	}
	return nil, nil // nothing more is said after a delete than the end of the stream
}

func (r *room) handle(command *cloudstatepb.Command) ([]*crdtpb.CrdtStreamOut, error) {
	in, err := command.GetPayload().UnmarshalNew()
	if err != nil {
		return nil, err
	}
	reply := &crdtpb.CrdtReply{CommandId: command.GetId()}
	var change *crdtpb.CrdtDelta
	switch in := in.(type) {
	case *roompb.Visitor:
		r.stays[command.GetId()], reply.Streamed = in.GetName(), true
		change = r.copy.enter(in.GetName())
	case *roompb.Ballot:
		change = r.copy.wantLunch(in.GetInFavor())
	}
	reply.StateAction = update(change)
	if reply.ClientAction, err = show(r.copy.view()); err != nil {
		return nil, err
	}
	answers := []*crdtpb.CrdtStreamOut{{Message: &crdtpb.CrdtStreamOut_Reply{Reply: reply}}}
	if change == nil {
		return answers, nil
	}
	others, err := r.tell(command.GetId())
	return append(answers, others...), err
}

// leave is the end of a call by which somebody has stayed.
func (r *room) leave(id int64) (answers []*crdtpb.CrdtStreamOut, err error) {
	name, stays := r.stays[id]
	delete(r.stays, id)
	gone := &crdtpb.CrdtStreamCancelledResponse{CommandId: id}
	if stays && !r.here(name) {
		gone.StateAction = update(r.copy.exit(name))
	}
	others, err := r.tell(id)
	return append([]*crdtpb.CrdtStreamOut{{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: gone}}}, others...), err
}

func (r *room) here(name string) bool {
	for _, there := range r.stays {
		if there == name {
			return true
		}
	}
	return false
}

// tell shows the room to all who stay, but for one who knows.
func (r *room) tell(but int64) (messages []*crdtpb.CrdtStreamOut, err error) {
	action, err := show(r.copy.view())
	for id := range r.stays {
		if id != but {
			messages = append(messages, &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{
				StreamedMessage: &crdtpb.CrdtStreamedMessage{CommandId: id, ClientAction: action},
			}})
		}
	}
	return messages, err
}

func show(message proto.Message) (*cloudstatepb.ClientAction, error) {
	payload, err := anypb.New(message)
	return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: &cloudstatepb.Reply{Payload: payload}}}, err
}

func update(change *crdtpb.CrdtDelta) *crdtpb.CrdtStateAction {
	if change == nil {
		return nil
	}
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: change}}
}
