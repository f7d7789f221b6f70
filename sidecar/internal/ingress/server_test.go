package ingress_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A client that does not read what it has asked for loses its connection, and the
// call hears of it.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	m := model(t)
	for _, request := range []string{
		"POST /shop.Echo/Out HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST /shop.Echo/Out HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00",
	} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			h := newHandler(t, ingress.Config{Model: m, Server: serverFunc(
				func(ctx context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
					err := x.Send(replyOf(line("nobody reads this")))
					ended <- err
					return err
				})})
			server := ingress.NewServer(h, slog.New(slog.DiscardHandler))
			listener := make(pipes, 1)
			client, conn := net.Pipe()
			listener <- conn
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = server.Serve(listener)
			}()
			if _, err := io.WriteString(client, request); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil {
				t.Error("the answer was sent")
			}
			_ = server.Close()
			<-done
		})
	}
}
