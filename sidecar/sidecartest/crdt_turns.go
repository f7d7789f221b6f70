package sidecartest

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// turns is a stream of a replicated entity that sees whose turn it is to change
// the value. It takes messages as they come, whether or not those before are
// answered, since a change that comes in between is not the sidecar's turn.
type turns struct {
	grpc.ServerStream
	arrived chan arrival
	foul    error // of the last message that RecvMsg has given out; nil: none

	mu       sync.Mutex
	commands map[int64]bool       // those that have no reply yet
	streams  map[int64]streamTurn // of all streamed commands
}

// streamTurn is how far a streamed command is.
type streamTurn int

const (
	streamOpen       streamTurn = iota + 1
	streamCancelling            // the sidecar has cancelled it, and waits for the answer
	streamCancelled             // the sidecar has cancelled it, and needs no answer
	streamEnded                 // by the user function
)

type arrival struct {
	in   *crdtpb.CrdtStreamIn
	foul error
	err  error // the last one
}

func takeTurns(s grpc.ServerStream) *turns {
	const ahead = 64 // messages that wait
	t := &turns{
		ServerStream: s,
		arrived:      make(chan arrival, ahead),
		commands:     map[int64]bool{},
		streams:      map[int64]streamTurn{},
	}
	go t.read()
	return t
}

func (t *turns) read() {
	for {
		a := arrival{in: new(crdtpb.CrdtStreamIn)}
		if a.err = t.ServerStream.RecvMsg(a.in); a.err == nil {
			a.foul = t.arrives(a.in)
		}
		select {
		case t.arrived <- a:
		case <-t.Context().Done():
			return
		}
		if a.err != nil {
			return
		}
	}
}

// RecvMsg gives out the next message.
func (t *turns) RecvMsg(m any) error {
	select {
	case a := <-t.arrived:
		t.foul = a.foul
		proto.Merge(m.(proto.Message), a.in)
		return a.err
	case <-t.Context().Done():
		return status.FromContextError(t.Context().Err()).Err()
	}
}

// SendMsg notes an answer before the sidecar can see it.
func (t *turns) SendMsg(m any) error {
	t.leaves(m.(*crdtpb.CrdtStreamOut))
	return t.ServerStream.SendMsg(m)
}

// arrives notes a message of the sidecar, and says whether it may come now.
func (t *turns) arrives(in *crdtpb.CrdtStreamIn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch m := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Delta:
		return t.sidecars()
	case *crdtpb.CrdtStreamIn_Command:
		t.commands[m.Command.GetId()] = true
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		return t.cancelled(m.StreamCancelled)
	}
	return nil
}

// sidecars says whether it is the sidecar's turn.
func (t *turns) sidecars() error {
	for id := range t.commands {
		return violation("a delta while command %d is not answered", id)
	}
	for id, is := range t.streams {
		if is == streamCancelling {
			return violation("a delta while it is not answered that stream %d was cancelled", id)
		}
	}
	return nil
}

func (t *turns) cancelled(c *cloudstatepb.StreamCancelled) error {
	id := c.GetId()
	if t.commands[id] {
		return violation("stream %d is cancelled before its first reply", id)
	}
	switch t.streams[id] {
	case streamOpen:
		t.streams[id] = streamCancelling
	case streamEnded: // at the same time
		t.streams[id] = streamCancelled
	case streamCancelling, streamCancelled:
		return violation("stream %d is cancelled a second time", id)
	default:
		return violation("stream %d is cancelled, and is none", id)
	}
	return nil
}

// leaves notes a message of the user function.
func (t *turns) leaves(out *crdtpb.CrdtStreamOut) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch m := out.GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		delete(t.commands, m.Reply.GetCommandId())
		if m.Reply.GetStreamed() {
			t.streams[m.Reply.GetCommandId()] = streamOpen
		}
	case *crdtpb.CrdtStreamOut_StreamedMessage:
		if m.StreamedMessage.GetEndStream() {
			t.ends(m.StreamedMessage.GetCommandId(), streamEnded)
		}
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		t.ends(m.StreamCancelledResponse.GetCommandId(), streamCancelled)
	case *crdtpb.CrdtStreamOut_Failure:
		delete(t.commands, m.Failure.GetCommandId())
	}
}

// ends notes the end of a stream. One that was cancelled already stays so.
func (t *turns) ends(id int64, as streamTurn) {
	if t.streams[id] == streamCancelling {
		as = streamCancelled
	}
	t.streams[id] = as
}
