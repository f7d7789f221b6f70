package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	es "github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	ve "github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
)

// snapshotEvery is how many events are between snapshots, as support libraries
// have it.
const snapshotEvery = 100

// serveFunction is a user function with two entities: Echoer, a value entity
// without a value, and Ledger, which is event sourced and counts its events.
func serveFunction(context.Context, []string) (string, error) {
	s := grpc.NewServer()
	pb.RegisterEntityDiscoveryServer(s, discovery{})
	ve.RegisterValueEntityServer(s, echoers{})
	es.RegisterEventSourcedServer(s, ledgers{})
	return serveOn(s)
}

type discovery struct {
	pb.UnimplementedEntityDiscoveryServer
}

func (discovery) Discover(context.Context, *pb.ProxyInfo) (*pb.EntitySpec, error) {
	set, err := descriptors()
	if err != nil {
		return nil, err
	}
	// They stay active for as long as a bench weighs them.
	stay := &pb.EntityPassivationStrategy{Strategy: &pb.EntityPassivationStrategy_Timeout{
		Timeout: &pb.TimeoutPassivationStrategy{Timeout: time.Hour.Milliseconds()},
	}}
	return &pb.EntitySpec{
		Proto: set,
		Entities: []*pb.Entity{
			{EntityType: ve.ValueEntity_ServiceDesc.ServiceName, ServiceName: echoService, PersistenceId: "echoer", PassivationStrategy: stay},
			{EntityType: es.EventSourced_ServiceDesc.ServiceName, ServiceName: ledgerService, PersistenceId: "ledger", PassivationStrategy: stay},
		},
		ServiceInfo: &pb.ServiceInfo{ServiceName: "bench", ProtocolMajorVersion: 0, ProtocolMinorVersion: 2},
	}, nil
}

// ReportError ends the process: its text is what the bench fails with.
func (discovery) ReportError(_ context.Context, e *pb.UserFunctionError) (*emptypb.Empty, error) {
	panic(e.GetMessage())
}

type echoers struct {
	ve.UnimplementedValueEntityServer
}

func (echoers) Handle(stream grpc.BidiStreamingServer[ve.ValueEntityStreamIn, ve.ValueEntityStreamOut]) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return endOf(err)
		}
		command := in.GetCommand()
		if command == nil {
			continue // the init
		}
		err = stream.Send(&ve.ValueEntityStreamOut{Message: &ve.ValueEntityStreamOut_Reply{Reply: &ve.ValueEntityReply{
			CommandId: command.GetId(), ClientAction: replyWith(command.GetPayload()),
		}}})
		if err != nil {
			return err
		}
	}
}

type ledgers struct {
	es.UnimplementedEventSourcedServer
}

func (ledgers) Handle(stream grpc.BidiStreamingServer[es.EventSourcedStreamIn, es.EventSourcedStreamOut]) error {
	var count int64
	for {
		in, err := stream.Recv()
		if err != nil {
			return endOf(err)
		}
		switch in := in.GetMessage().(type) {
		case *es.EventSourcedStreamIn_Init:
			count = in.Init.GetSnapshot().GetSnapshotSequence()
		case *es.EventSourcedStreamIn_Event:
			count = in.Event.GetSequence()
		case *es.EventSourcedStreamIn_Command:
			count++
			reply := &es.EventSourcedReply{
				CommandId:    in.Command.GetId(),
				ClientAction: replyWith(messageAny(strconv.FormatInt(count, 10))),
				Events:       []*anypb.Any{{TypeUrl: "json.cloudstate.io/bench.Deposited", Value: event}},
			}
			if count%snapshotEvery == 0 {
				reply.Snapshot = messageAny(strconv.FormatInt(count, 10))
			}
			if err := stream.Send(&es.EventSourcedStreamOut{Message: &es.EventSourcedStreamOut_Reply{Reply: reply}}); err != nil {
				return err
			}
		}
	}
}

func messageAny(text string) *anypb.Any {
	return &anypb.Any{TypeUrl: messageURL, Value: appendMessage(nil, "", text)}
}

func replyWith(payload *anypb.Any) *pb.ClientAction {
	return &pb.ClientAction{Action: &pb.ClientAction_Reply{Reply: &pb.Reply{Payload: payload}}}
}

// endOf is the end of a stream that the sidecar ends.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
