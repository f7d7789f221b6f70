package ingress_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// BenchmarkUnary is an echo over gRPC: by the ingress, and by a server of grpc-go
// that passes bytes too. The client and its allocations are within.
func BenchmarkUnary(b *testing.B) {
	server := serverFunc(func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		value, err := x.Recv()
		if err != nil {
			return err
		}
		if _, err := x.Recv(); err != io.EOF { // as the router does
			return err
		}
		return x.Send(replyOf(value))
	})
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("ingress-%d", callers), func(b *testing.B) {
			benchmarkUnary(b, serve(b, ingress.Config{Server: server}), callers)
		})
		b.Run(fmt.Sprintf("grpc-go-%d", callers), func(b *testing.B) {
			benchmarkUnary(b, serveBare(b), callers)
		})
	}
}

func benchmarkUnary(b *testing.B, address string, callers int) {
	conn := dial(b, address)
	calls := make(chan struct{}, callers)
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			in := line("a message of some fifty bytes, as an echo has it")
			for range calls {
				var out []byte
				if err := conn.Invoke(context.Background(), "/shop.Echo/Unary", &in, &out, raw); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range b.N {
		calls <- struct{}{}
	}
	close(calls)
	all.Wait()
}

// serveBare runs grpc-go's own server with the same echo.
func serveBare(b *testing.B) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		var value []byte
		if err := s.RecvMsg(&value); err != nil {
			return err
		}
		return s.SendMsg(&value)
	}))
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	return listener.Addr().String()
}
