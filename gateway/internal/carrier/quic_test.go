package carrier_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/webtransport-go"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// serveQUIC gives what comes to a UDP socket to conns.
func serveQUIC(t *testing.T, c carrier.Config) (addr string, trusting *tls.Config, conns chan carrier.Conn) {
	t.Helper()
	server, trusting := certificates(t)
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = make(chan carrier.Conn, 64)
	over := make(chan error, 1)
	go func() {
		over <- carrier.New(c).ServeQUIC(context.Background(), socket, server, func(conn carrier.Conn) { conns <- conn })
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	return socket.LocalAddr().String(), trusting, conns
}

type quicClient struct {
	*quic.Stream
	conn *quic.Conn
}

func (c quicClient) Close() error { return c.conn.CloseWithError(0, "the client leaves") }

func dialQUICConn(t *testing.T, addr string, trusting *tls.Config, protocol string) *quic.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	trusting.NextProtos = []string{protocol}
	conn, err := quic.DialAddr(ctx, addr, trusting, &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	return conn
}

func dialQUIC(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	t.Helper()
	addr, trusting, conns := serveQUIC(t, c)
	conn := dialQUICConn(t, addr, trusting, edge.Subprotocol)
	opened, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	return greet(t, quicClient{opened, conn}, conns)
}

// greet makes a stream exist at the other end, which a first byte does.
func greet(t *testing.T, to interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}, conns <-chan carrier.Conn) (*client, carrier.Conn) {
	cl := newClient(t, to)
	cl.send(edge.KindBinary, "hello")
	conn := arrival(cl, conns)
	mustRead(t, conn, edge.KindBinary, "hello")
	return cl, conn
}

type webClient struct {
	*webtransport.Stream
	session *webtransport.Session
}

func (c webClient) Close() error { return c.session.CloseWithError(0, "the client leaves") }

func dialSession(t *testing.T, addr string, trusting *tls.Config, header http.Header) (*webtransport.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	trusting.NextProtos = []string{"h3"}
	web := &webtransport.Transport{
		TLSClientConfig: trusting,
		QUICConfig:      &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true},
	}
	t.Cleanup(func() { _ = web.Close() })
	answer, session, err := web.Dial(ctx, "https://"+addr+"/gateway", header)
	if answer != nil && answer.Body != nil {
		t.Cleanup(func() { _ = answer.Body.Close() })
	}
	return session, err
}

func dialWebTransport(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	t.Helper()
	addr, trusting, conns := serveQUIC(t, c)
	session, err := dialSession(t, addr, trusting, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := session.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	return greet(t, webClient{opened, session}, conns)
}

func TestQUICTellsTheCodeToo(t *testing.T) {
	t.Parallel()
	c := carrier.Config{CloseTimeout: patience}
	onEach(t, map[string]dialer{"quic": dialQUIC, "webtransport": dialWebTransport}, c, func(t *testing.T, cl *client, conn carrier.Conn) {
		go conn.Close(edge.CodeKicked, "bye")
		if kind, _, err := cl.next(); kind != edge.KindClose || err != nil {
			t.Fatal(kind, err)
		}
		switch to := cl.to.(type) {
		case quicClient:
			_ = to.Stream.Close() // its half; the rest is the gateway's to end
			<-to.conn.Context().Done()
			var end *quic.ApplicationError
			if err := context.Cause(to.conn.Context()); !errors.As(err, &end) || edge.Code(end.ErrorCode) != edge.CodeKicked || end.ErrorMessage != "bye" {
				t.Error(err)
			}
		case webClient:
			_ = to.Stream.Close()
			<-to.session.Context().Done()
			var end *webtransport.SessionError
			if _, err := to.session.AcceptStream(context.Background()); !errors.As(err, &end) || edge.Code(end.ErrorCode) != edge.CodeKicked || end.Message != "bye" {
				t.Error(err)
			}
		}
	})
}

func TestPagesOfOtherOriginsOpenNoSession(t *testing.T) {
	t.Parallel()
	addr, trusting, _ := serveQUIC(t, carrier.Config{})
	if _, err := dialSession(t, addr, trusting, http.Header{"Origin": {"https://evil.example"}}); err == nil {
		t.Error("a session was opened")
	}
	if _, err := dialSession(t, addr, trusting, http.Header{"Origin": {"https://" + addr}}); err != nil {
		t.Error(err)
	}
}

// Who opens a connection and then nothing is let go.
func TestConnectionsWithoutAStream(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{edge.Subprotocol, "h3"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			addr, trusting, _ := serveQUIC(t, carrier.Config{HandshakeTimeout: 3 * time.Second})
			conn := dialQUICConn(t, addr, trusting, protocol)
			select {
			case <-conn.Context().Done():
			case <-time.After(patience):
				t.Error("the connection is not closed")
			}
		})
	}
}

// A client cannot make the gateway keep more than one stream's window.
func TestFurtherStreamsAreBounded(t *testing.T) {
	t.Parallel()
	addr, trusting, _ := serveQUIC(t, carrier.Config{MaxMessage: 1000})
	conn := dialQUICConn(t, addr, trusting, edge.Subprotocol)
	var streams, sent int
	for {
		opened, err := conn.OpenStream()
		if err != nil {
			break // as many as the gateway allows
		}
		streams++
		_ = opened.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		n, _ := opened.Write(make([]byte, 1<<20))
		sent += n
	}
	if streams > 4 || sent > 100_000 {
		t.Errorf("%d streams took %d bytes", streams, sent)
	}
}

// Beyond some hundred handshakes in a second clients have to show that their
// addresses are theirs. Honest ones do not notice.
func TestAFloodOfHandshakes(t *testing.T) {
	t.Parallel()
	addr, trusting, _ := serveQUIC(t, carrier.Config{})
	trusting.NextProtos = []string{edge.Subprotocol}
	todo := make(chan int, 400)
	for i := range cap(todo) {
		todo <- i
	}
	close(todo)
	var dialing sync.WaitGroup
	for range 8 {
		dialing.Go(func() {
			for range todo {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				conn, err := quic.DialAddr(ctx, addr, trusting, nil)
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.CloseWithError(0, "")
			}
		})
	}
	dialing.Wait()
}
