package sidecartest

import (
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Interceptor stands between a sidecar and a user function, of any library, and
// records what goes through it. It changes nothing.
type Interceptor struct {
	*Recorder
	addr string
}

// Addr is where the sidecar finds it, host:port.
func (i *Interceptor) Addr() string { return i.addr }

// Intercept starts an interceptor before the user function at target. It ends
// with the test.
func Intercept(t testing.TB, target string) *Interceptor {
	t.Helper()
	conn := dial(t, target)
	i := &Interceptor{Recorder: newRecorder()}
	server := grpc.NewServer(
		grpc.ForceServerCodec(frames{}),
		grpc.UnknownServiceHandler(passOn(conn)),
		grpc.StreamInterceptor(i.stream),
		grpc.MaxRecvMsgSize(maxMessage),
	)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i.addr = l.Addr().String()
	serve(t, server, l)
	t.Cleanup(server.Stop)
	return i
}

// maxMessage is more than any test sends.
const maxMessage = 1 << 30

// dial connects to a user function, or to a sidecar, until the test ends.
func dial(t testing.TB, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("closing the connection: %v", err)
		}
	})
	return conn
}

// serve lets a server accept connections until it is stopped.
func serve(t testing.TB, server *grpc.Server, l net.Listener) {
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("serve: %v", err)
		}
	}()
}

// passOn makes the same call again on a connection, and passes on what comes
// from either side until both have ended.
func passOn(conn *grpc.ClientConn) grpc.StreamHandler {
	return func(_ any, down grpc.ServerStream) error {
		ctx := down.Context()
		if md, ok := metadata.FromIncomingContext(ctx); ok {
			ctx = metadata.NewOutgoingContext(ctx, md.Copy())
		}
		method, _ := grpc.MethodFromServerStream(down)
		up, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodec(frames{}))
		if err != nil {
			return err
		}
		go passUp(down, up)
		return passDown(up, down)
	}
}

// passUp gives the sidecar's messages to the user function. Errors show in
// passDown, on the same stream.
func passUp(down grpc.ServerStream, up grpc.ClientStream) {
	for {
		var m frame
		if down.RecvMsg(&m) != nil {
			_ = up.CloseSend() // never an error
			return
		}
		if up.SendMsg(&m) != nil {
			return
		}
	}
}

func passDown(up grpc.ClientStream, down grpc.ServerStream) error {
	for {
		var m frame
		err := up.RecvMsg(&m)
		if err != nil {
			down.SetTrailer(up.Trailer())
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := down.SendMsg(&m); err != nil {
			return err
		}
	}
}
