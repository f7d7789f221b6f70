package main

import (
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/examples/presence/roompb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// start starts the user function, which runs until the test ends, and returns its
// address.
func start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	spec, err := cloudstatepb.NewEntityDiscoveryClient(dial(t, start(t))).Discover(t.Context(), &cloudstatepb.ProxyInfo{ProtocolMinorVersion: 2})
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(spec.GetProto(), &set); err != nil {
		t.Fatal(err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName(protoreflect.FullName(spec.GetEntities()[0].GetServiceName())); err != nil {
		t.Error(err)
	}
}

// activation is one stream, as a sidecar uses it.
type activation struct {
	t      *testing.T
	stream crdtpb.Crdt_HandleClient
	id     int64
}

func activate(t *testing.T, delta *crdtpb.CrdtDelta) *activation {
	t.Helper()
	stream, err := crdtpb.NewCrdtClient(dial(t, start(t))).Handle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := &activation{t: t, stream: stream}
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: &crdtpb.CrdtInit{EntityId: "hall", Delta: delta}}})
	return a
}

func (a *activation) send(in *crdtpb.CrdtStreamIn) {
	a.t.Helper()
	if err := a.stream.Send(in); err != nil {
		a.t.Fatal(err)
	}
}

func (a *activation) receive() *crdtpb.CrdtStreamOut {
	a.t.Helper()
	out, err := a.stream.Recv()
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// call sends a command, and expects what the caller is shown and what is changed.
func (a *activation) call(message proto.Message, streamed bool, view string, change *crdtpb.CrdtDelta) (id int64) {
	a.t.Helper()
	payload, err := anypb.New(message)
	if err != nil {
		a.t.Fatal(err)
	}
	a.id++
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: &cloudstatepb.Command{EntityId: "hall", Id: a.id, Payload: payload, Streamed: streamed}}})
	reply := a.receive().GetReply()
	if reply.GetCommandId() != a.id || reply.GetStreamed() != streamed {
		a.t.Errorf("got %v", reply)
	}
	a.shows(reply.GetClientAction(), view)
	a.changes(reply.GetStateAction(), change)
	return a.id
}

// cancel ends a call that was streamed.
func (a *activation) cancel(id int64, change *crdtpb.CrdtDelta) {
	a.t.Helper()
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: &cloudstatepb.StreamCancelled{EntityId: "hall", Id: id}}})
	gone := a.receive().GetStreamCancelledResponse()
	if gone.GetCommandId() != id {
		a.t.Errorf("got %v", gone)
	}
	a.changes(gone.GetStateAction(), change)
}

// told expects what somebody who stays is shown.
func (a *activation) told(id int64, view string) {
	a.t.Helper()
	m := a.receive().GetStreamedMessage()
	if m.GetCommandId() != id {
		a.t.Errorf("got %v", m)
	}
	a.shows(m.GetClientAction(), view)
}

func (a *activation) shows(action *cloudstatepb.ClientAction, want string) {
	a.t.Helper()
	var got, view roompb.View
	if err := action.GetReply().GetPayload().UnmarshalTo(&got); err != nil {
		a.t.Error(err)
	}
	if err := prototext.Unmarshal([]byte(want), &view); err != nil {
		a.t.Fatal(err)
	}
	if !proto.Equal(&got, &view) {
		a.t.Errorf("shown is %v, want %v", &got, &view)
	}
}

func (a *activation) changes(action *crdtpb.CrdtStateAction, want *crdtpb.CrdtDelta) {
	a.t.Helper()
	if !proto.Equal(action.GetUpdate(), want) {
		a.t.Errorf("changed is %v, want %v", action.GetUpdate(), want)
	}
}

func count(n uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: n}}}
}

func votes(self bool, votes, outOf int32) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self, VotesFor: votes, TotalVoters: outOf}}}
}

func remove(name string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{Removed: []*anypb.Any{key(name)}}}}
}

func delta(d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: d}}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	there := insert(entry(visitsKey, count(7)), entry(onlineKey, insert(entry("bob", votes(false, 1, 3)), entry("eve", votes(false, 0, 3)))), entry(lunchKey, votes(false, 2, 3)))
	a := activate(t, there)
	a.call(&roompb.Place{Room: "hall"}, false, `online: "bob" visits: 7 votes_for: 2 voters: 3`, nil)

	entered := insert(entry(visitsKey, count(1)), entry(onlineKey, insert(entry("ann", votes(true, 0, 0)))), entry(lunchKey, votes(false, 0, 0)))
	first := a.call(&roompb.Visitor{Room: "hall", Name: "ann"}, true, `online: "ann" online: "bob" visits: 8 votes_for: 2 voters: 3`, entered)
	a.call(&roompb.Ballot{Room: "hall", InFavor: true}, false, `online: "ann" online: "bob" visits: 8 votes_for: 3 voters: 3`, insert(entry(lunchKey, votes(true, 0, 0))))
	a.told(first, `online: "ann" online: "bob" visits: 8 votes_for: 3 voters: 3`)

	// Others change the room.
	a.send(delta(insert(entry(visitsKey, count(2)), entry(lunchKey, votes(true, 1, 2)))))
	a.told(first, `online: "ann" online: "bob" visits: 10 votes_for: 1 voters: 2`)
	a.send(delta(insert(entry(onlineKey, remove("bob")))))
	a.told(first, `online: "ann" visits: 10 votes_for: 1 voters: 2`)

	// Ann has come twice, and is online until she has gone twice.
	second := a.call(&roompb.Visitor{Room: "hall", Name: "ann"}, true, `online: "ann" visits: 11 votes_for: 1 voters: 2`,
		insert(entry(visitsKey, count(1)), entry(onlineKey, insert(entry("ann", votes(true, 0, 0)))), entry(lunchKey, votes(true, 0, 0))))
	a.told(first, `online: "ann" visits: 11 votes_for: 1 voters: 2`)
	a.cancel(first, nil)
	a.told(second, `online: "ann" visits: 11 votes_for: 1 voters: 2`)

	// And as long as she is elsewhere.
	a.send(delta(insert(entry(onlineKey, insert(entry("ann", votes(true, 2, 2)))))))
	a.told(second, `online: "ann" visits: 11 votes_for: 1 voters: 2`)
	a.cancel(second, insert(entry(onlineKey, insert(entry("ann", votes(false, 0, 0))))))
	a.call(&roompb.Place{Room: "hall"}, false, `online: "ann" visits: 11 votes_for: 1 voters: 2`, nil)
	a.send(delta(insert(entry(onlineKey, remove("ann")))))
	third := a.call(&roompb.Visitor{Room: "hall", Name: "ann"}, true, `online: "ann" visits: 12 votes_for: 1 voters: 2`,
		insert(entry(visitsKey, count(1)), entry(onlineKey, insert(entry("ann", votes(true, 0, 0)))), entry(lunchKey, votes(true, 0, 0))))
	a.cancel(third, insert(entry(onlineKey, remove("ann"))))
	a.call(&roompb.Place{Room: "hall"}, false, `visits: 12 votes_for: 1 voters: 2`, nil)
}
