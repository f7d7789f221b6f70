package main

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// grpcUnary is a unary method of grpc-go, over one connection.
type grpcUnary struct {
	peer *peer
	conn *grpc.ClientConn
}

const grpcEcho = "/bench.Echo/Echo"

func (g *grpcUnary) Start(ctx context.Context, _ int) (err error) {
	if g.peer, err = startPeer(ctx, "grpc-unary"); err != nil {
		return err
	}
	g.conn, err = grpc.NewClient(g.peer.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

func (g *grpcUnary) Caller(ctx context.Context) echo {
	return func(_ int, msg string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		var got wrapperspb.StringValue
		err := g.conn.Invoke(ctx, grpcEcho, wrapperspb.String(msg), &got)
		return got.GetValue(), err
	}
}

func (g *grpcUnary) Stop(context.Context) error { return errors.Join(g.conn.Close(), g.peer.stop()) }

func serveGRPC(context.Context, []string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			msg := new(wrapperspb.StringValue)
			return msg, decode(msg)
		}}},
	}, nil)
	go func() { _ = s.Serve(listener) }()
	return listener.Addr().String(), nil
}
