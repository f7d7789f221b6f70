package sidecartest_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	t.Cleanup(cancel)
	return ctx
}

type values = grpc.BidiStreamingClient[valueentitypb.ValueEntityStreamIn, valueentitypb.ValueEntityStreamOut]

// open begins a stream of an entity.
func open(t *testing.T, conn *grpc.ClientConn, id string) values {
	t.Helper()
	stream, err := valueentitypb.NewValueEntityClient(conn).Handle(patience(t), grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	send(t, stream, &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{Init: &valueentitypb.ValueEntityInit{
		ServiceName: "cloudstate.tck.model.valueentity.ValueEntityTckModel", EntityId: id, State: &valueentitypb.ValueEntityInitState{},
	}}})
	return stream
}

func send(t *testing.T, stream values, m *valueentitypb.ValueEntityStreamIn) {
	t.Helper()
	if err := stream.Send(m); err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, entity string, id int64) *valueentitypb.ValueEntityStreamIn {
	t.Helper()
	payload, err := anypb.New(&tckvalue.Request{Id: entity})
	if err != nil {
		t.Fatal(err)
	}
	c := &cloudstatepb.Command{EntityId: entity, Id: id, Name: "Process", Payload: payload}
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: c}}
}

// A function tells a sidecar that breaks the protocol, and ends the stream.
func TestFunctionIsStrict(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	conn := dial(t, f.Addr())
	for name, m := range map[string]*valueentitypb.ValueEntityStreamIn{
		"id that is not the next":   command(t, "it", 2),
		"command to another entity": command(t, "other", 1),
		"empty message":             {},
		"second init":               {Message: &valueentitypb.ValueEntityStreamIn_Init{Init: &valueentitypb.ValueEntityInit{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := open(t, conn, "it")
			send(t, stream, m)
			if out, err := stream.Recv(); err != nil || out.GetFailure() == nil {
				t.Errorf("it answers %v, %v", out, err)
			}
			if _, err := stream.Recv(); status.Code(err) != codes.Aborted {
				t.Errorf("the stream ends with %v", err)
			}
		})
	}
}

// A recorder has all that happens in a call, in its order.
func TestRecorder(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	i := sidecartest.Intercept(t, f.Addr())
	stream := open(t, dial(t, i.Addr()), "it")
	send(t, stream, command(t, "it", 1))
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*sidecartest.Recorder{f.Recorder, i.Recorder} {
		call := r.Expect(t, sidecartest.ValueEntity)
		if init := call.NextIn().(*valueentitypb.ValueEntityStreamIn).GetInit(); init.GetEntityId() != "it" {
			t.Errorf("the init is %v", init)
		}
		call.In(command(t, "it", 1)).NextOut()
		call.Closed()
		var kinds []sidecartest.Kind
		for _, e := range call.Events() {
			kinds = append(kinds, e.Kind)
		}
		if got := fmt.Sprint(kinds); got != "[in in out half-closed ended]" {
			t.Errorf("the events are %s", got)
		}
		r.ExpectNothing(t)
	}
}

// A function may be stopped by what it is just doing, and comes back.
func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	var f *sidecartest.Function
	isCommand := func(in proto.Message) bool { return in.(*valueentitypb.ValueEntityStreamIn).GetCommand() != nil }
	f = sidecartest.Start(t, sidecartest.Config{Misbehave: sidecartest.Once(isCommand, func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) {
		f.Stop()
		return nil, nil
	})})
	conn := dial(t, f.Addr())
	stream := open(t, conn, "it")
	send(t, stream, command(t, "it", 1))
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ends with %v", err)
	}
	f.Restart(t)
	stream = open(t, conn, "it")
	send(t, stream, command(t, "it", 1))
	if _, err := stream.Recv(); err != nil {
		t.Error(err)
	}
}

// Calls wait for a thread that is free.
func TestThreads(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{Threads: 1})
	conn := dial(t, f.Addr())
	first := open(t, conn, "1")
	f.Expect(t, sidecartest.ValueEntity)
	second := open(t, conn, "2")
	send(t, second, command(t, "2", 1))
	send(t, first, command(t, "1", 1))
	if _, err := first.Recv(); err != nil {
		t.Fatal(err)
	}
	f.ExpectNothing(t) // the second has not begun
	if err := first.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Recv(); err != nil {
		t.Error(err)
	}
}
