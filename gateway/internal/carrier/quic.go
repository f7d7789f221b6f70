package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/mallee-io/mallee/wire/edge"
)

// quicIdle is how long QUIC keeps a connection on which nothing comes. The
// gateway's own bound is shorter.
const quicIdle = 2 * time.Minute

// ServeQUIC makes connections of what comes to a UDP socket, until ctx ends
// or the socket is closed: then it returns nil. At the end of ctx connections
// that exist go on, since they need the socket, which is the caller's to close. A client that asks for the protocol of package edge (ALPN) opens one
// bidirectional stream for its frames; one that asks for HTTP/3 opens a session
// of WebTransport, on any path, and a stream in it. Each has HandshakeTimeout to
// get there. handle is called in a goroutine of its own.
func (a *Acceptor) ServeQUIC(ctx context.Context, socket net.PacketConn, certificates *tls.Config, handle func(Conn)) error {
	secure := certificates.Clone()
	secure.NextProtos = []string{edge.Subprotocol, http3.NextProtoH3}
	attempts := attempts{}
	transport := &quic.Transport{Conn: socket, VerifySourceAddress: func(net.Addr) bool { return attempts.many(time.Now()) }}
	listener, err := transport.Listen(secure, a.quicConfig())
	if err != nil {
		return fmt.Errorf("listen for QUIC at %s: %w", socket.LocalAddr(), err)
	}
	defer func() { _ = listener.Close() }() // which leaves connections alone
	web := a.webTransport(handle)
	for {
		conn, err := listener.Accept(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		default:
			return fmt.Errorf("accept connections of QUIC at %s: %w", socket.LocalAddr(), err)
		}
		if conn.ConnectionState().TLS.NegotiatedProtocol == edge.Subprotocol {
			go a.welcomeQUIC(conn, handle)
		} else {
			go web.serve(conn)
		}
	}
}

// quicConfig bounds what a client can make the gateway keep: one message, and
// the streams that HTTP/3 needs. There is no 0-RTT, which could be replayed.
func (a *Acceptor) quicConfig() *quic.Config {
	window := uint64(max(a.MaxMessage, edge.MaxLogin) + 16<<10)
	return &quic.Config{
		HandshakeIdleTimeout:           a.HandshakeTimeout,
		MaxIdleTimeout:                 quicIdle,
		InitialStreamReceiveWindow:     window,
		MaxStreamReceiveWindow:         window,
		InitialConnectionReceiveWindow: window,
		MaxConnectionReceiveWindow:     window,
		MaxIncomingStreams:             4,
		MaxIncomingUniStreams:          4,
		// WebTransport wants both; nothing is done with datagrams.
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
	}
}

func (a *Acceptor) welcomeQUIC(conn *quic.Conn, handle func(Conn)) {
	ctx, cancel := context.WithTimeout(conn.Context(), a.HandshakeTimeout)
	opened, err := conn.AcceptStream(ctx)
	cancel()
	if err != nil {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(edge.CodeLoginLate), "no stream was opened in time")
		return
	}
	handle(a.newStream("quic", quicStream{opened, conn}, conn.RemoteAddr()))
}

// quicStream is the one stream of a connection of QUIC.
type quicStream struct {
	*quic.Stream
	conn *quic.Conn
}

func (s quicStream) finish() error { return s.Stream.Close() }

func (s quicStream) end(code edge.Code, reason string) {
	_ = s.conn.CloseWithError(quic.ApplicationErrorCode(code), reason)
}

// attempts counts handshakes, to tell a flood of them: then clients have to show
// that their addresses are theirs (Retry, RFC 9000, section 8.1.2), which costs
// honest ones a round trip.
type attempts struct {
	mu     sync.Mutex
	second int64
	n      int
}

const manyAttempts = 256 // in a second

func (a *attempts) many(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if second := now.Unix(); second != a.second {
		a.second, a.n = second, 0
	}
	a.n++
	return a.n > manyAttempts
}
