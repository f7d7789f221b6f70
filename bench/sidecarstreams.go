package main

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	ve "github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
)

// grpcStreams is streams of grpc-go to the user function, held open in this
// process: what is left of a sidecar's entity without the entity.
type grpcStreams struct {
	function *peer
	conn     *grpc.ClientConn

	mu   sync.Mutex
	open []grpc.BidiStreamingClient[ve.ValueEntityStreamIn, ve.ValueEntityStreamOut]
}

var _ resident = (*grpcStreams)(nil)

func (g *grpcStreams) Start(ctx context.Context, _ int) (err error) {
	if g.function, err = startPeer(ctx, "user-function"); err != nil {
		return err
	}
	g.conn, err = grpc.NewClient(g.function.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

func (g *grpcStreams) Stop(context.Context) error {
	return errors.Join(g.conn.Close(), g.function.stop())
}

func (*grpcStreams) residentBytes() (int64, error) { return residentBytes(), nil }

// Activate opens a stream and sends what a sidecar does.
func (g *grpcStreams) Activate(_ context.Context, key, msg string) (string, error) {
	stream, err := ve.NewValueEntityClient(g.conn).Handle(context.Background())
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	g.open = append(g.open, stream)
	g.mu.Unlock()
	err = stream.Send(&ve.ValueEntityStreamIn{Message: &ve.ValueEntityStreamIn_Init{Init: &ve.ValueEntityInit{
		ServiceName: echoService, EntityId: key, State: &ve.ValueEntityInitState{},
	}}})
	if err != nil {
		return "", err
	}
	err = stream.Send(&ve.ValueEntityStreamIn{Message: &ve.ValueEntityStreamIn_Command{Command: &pb.Command{
		EntityId: key, Id: 1, Name: "Echo",
		Payload: &anypb.Any{TypeUrl: messageURL, Value: appendMessage(nil, key, msg)},
	}}})
	if err != nil {
		return "", err
	}
	out, err := stream.Recv()
	if err != nil {
		return "", err
	}
	return textOf(out.GetReply().GetClientAction().GetReply().GetPayload().GetValue())
}
