package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"google.golang.org/grpc"
)

// proxyHop is what a sidecar cannot be faster than if it is made of grpc-go: a
// proxy that forwards the bytes of unary calls of any method to a server, which
// echoes them. No entities, no streams, nothing is looked at.
type proxyHop struct {
	server, proxy *peer
	conn          rawConn
}

var _ caller = (*proxyHop)(nil)

func (h *proxyHop) Start(ctx context.Context, _ int) (err error) {
	if h.server, err = startPeer(ctx, "grpc-echo"); err != nil {
		return err
	}
	if h.proxy, err = startPeer(ctx, "grpc-proxy", h.server.addr); err != nil {
		return err
	}
	h.conn, err = dialRaw(h.proxy.addr)
	return err
}

func (h *proxyHop) Stop(context.Context) error {
	return errors.Join(h.conn.Close(), h.proxy.stop(), h.server.stop())
}

func (h *proxyHop) Caller(ctx context.Context) echo {
	return func(actor int, msg string) (string, error) {
		return h.conn.say(ctx, echoPath, strconv.Itoa(actor), msg)
	}
}

func serveRawEcho(context.Context, []string) (string, error) {
	return serveRaw(func(_ context.Context, _ string, msg []byte) ([]byte, error) { return msg, nil })
}

func serveProxy(_ context.Context, args []string) (string, error) {
	conn, err := dialRaw(args[0])
	if err != nil {
		return "", err
	}
	return serveRaw(func(ctx context.Context, path string, msg []byte) (answer []byte, err error) {
		return answer, conn.Invoke(ctx, path, &msg, &answer)
	})
}

// serveRaw answers unary calls of any method.
func serveRaw(answer func(ctx context.Context, path string, msg []byte) ([]byte, error)) (string, error) {
	return serveOn(grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			path, _ := grpc.MethodFromServerStream(stream)
			var msg []byte
			if err := stream.RecvMsg(&msg); err != nil {
				return err
			}
			reply, err := answer(stream.Context(), path, msg)
			if err != nil {
				return err
			}
			return stream.SendMsg(&reply)
		})))
}

func serveOn(s *grpc.Server) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = s.Serve(listener) }()
	return listener.Addr().String(), nil
}
