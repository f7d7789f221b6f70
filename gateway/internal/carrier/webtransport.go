package carrier

import (
	"context"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/mallee-io/mallee/wire/edge"
)

// web makes connections of sessions of WebTransport. The library takes one
// session of a connection of QUIC.
type web struct {
	*Acceptor
	server webtransport.Server
	handle func(Conn)
}

func (a *Acceptor) webTransport(handle func(Conn)) *web {
	w := &web{Acceptor: a, handle: handle}
	w.server = webtransport.Server{
		H3: &http3.Server{
			Handler:        http.HandlerFunc(w.upgrade),
			MaxHeaderBytes: 16 << 10,
			IdleTimeout:    quicIdle,
			ConnContext: func(ctx context.Context, conn *quic.Conn) context.Context {
				return context.WithValue(ctx, visitKey{}, w.visit(conn))
			},
		},
		CheckOrigin:          a.allows,
		ReorderingTimeout:    a.HandshakeTimeout,
		ApplicationProtocols: []string{edge.Subprotocol},
	}
	return w
}

// visit is a connection of HTTP/3, which is closed unless it is used in time.
type visit struct {
	conn *quic.Conn
	late *time.Timer
}

type visitKey struct{}

func (w *web) visit(conn *quic.Conn) visit {
	return visit{conn, time.AfterFunc(w.HandshakeTimeout, func() {
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "no stream was opened in time")
	})}
}

func (w *web) serve(conn *quic.Conn) {
	// Its errors are those of clients.
	_ = w.server.ServeQUICConn(conn)
}

// upgrade ends with the handshake, so that nothing of HTTP stays.
func (w *web) upgrade(answer http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(answer, "WebTransport is spoken here", http.StatusNotFound)
		return
	}
	if !w.allows(r) {
		http.Error(answer, "pages of this origin may not connect", http.StatusForbidden)
		return
	}
	session, err := w.server.Upgrade(answer, r)
	if err != nil {
		answer.WriteHeader(http.StatusBadRequest)
		return
	}
	v := r.Context().Value(visitKey{}).(visit)
	opened, err := session.AcceptStream(v.conn.Context())
	if err != nil || !v.late.Stop() {
		return // the connection has ended
	}
	w.handle(w.newStream("webtransport", webStream{opened, session, v.conn, w.CloseTimeout}, session.RemoteAddr()))
}

// webStream is the one stream of a session of WebTransport.
type webStream struct {
	*webtransport.Stream
	session *webtransport.Session
	conn    *quic.Conn
	linger  time.Duration
}

func (s webStream) finish() error { return s.Stream.Close() }

// end leaves the client a moment to read how the session ends.
func (s webStream) end(code edge.Code, reason string) {
	_ = s.session.CloseWithError(webtransport.SessionErrorCode(code), reason)
	time.AfterFunc(s.linger, func() {
		_ = s.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	})
}
