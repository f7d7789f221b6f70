package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/limit"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// admission is a client that was let in.
type admission struct {
	login.Admission
	id      uint64 // of the session that it had; 0: it is new
	at      uint64 // the place that was reserved for it
	attempt uint64 // edge.Resume.Attempt
	again   bool   // the actor has had the session already
}

// Accept takes a new connection. It returns when the client is let in or turned
// away; then another goroutine reads, whose stack the login has not enlarged.
func (g *Gateway) Accept(conn carrier.Conn) { g.accept(conn, nil) }

// accept is Accept; header is that of the request that has opened the connection.
func (g *Gateway) accept(conn carrier.Conn, header http.Header) {
	if !g.arriving.add(conn) {
		g.close(conn, edge.CodeDrain, "the gateway has stopped")
		return
	}
	g.counts.connections.Add(1)
	address := conn.Remote().Addr()
	switch g.conns.Open(address) {
	case limit.Full:
		g.refuse(conn, edge.CodeOverloaded, "the gateway has as many connections as it may have")
		return
	case limit.Crowded:
		g.refuse(conn, edge.CodeRateLimited, "there are too many connections from this address")
		return
	}
	s, err := g.arrive(conn, header)
	g.arriving.remove(conn)
	if err != nil {
		g.turnAway(conn, err)
		g.conns.Close(address)
		g.arriving.done()
		return
	}
	go func() {
		defer g.arriving.done()
		defer g.conns.Close(address)
		s.read(conn)
	}()
}

// refuse closes a connection before anything was read.
func (g *Gateway) refuse(conn carrier.Conn, code edge.Code, why string) {
	g.arriving.remove(conn)
	g.close(conn, code, why)
	g.arriving.done()
}

// arrive makes a session of a connection, or finds the one that goes on.
func (g *Gateway) arrive(conn carrier.Conn, header http.Header) (*session, error) {
	ctx, cancel := context.WithTimeout(g.ended, g.config.Handshake)
	defer cancel()
	// Closing is what ends a Read.
	stop := context.AfterFunc(ctx, func() { conn.Close(edge.CodeLoginLate, "the login has not come in time") })
	first, err := conn.Read()
	if !stop() {
		return nil, &carrier.Closed{Code: edge.CodeLoginLate, Reason: "the login has not come in time"}
	}
	if err != nil {
		return nil, ending(err)
	}
	hello, err := read(first, conn.Framed())
	if err != nil {
		return nil, err
	}
	if hello.Resume != nil {
		if s, err := g.resume(ctx, conn, &hello); s != nil || err != nil {
			return s, err
		}
	}
	return g.login(ctx, conn, header, hello.Login)
}

// read reads the first frame of a connection.
func read(first carrier.Frame, framed bool) (edge.Hello, error) {
	switch {
	case len(first.Data) > edge.MaxLogin:
		return edge.Hello{}, &login.Refusal{Code: edge.CodeTooLarge, Reason: "the login is too large"}
	case !framed:
		return edge.Hello{Login: first.Data}, nil
	case first.Kind != edge.KindLogin:
		return edge.Hello{}, &login.Refusal{Code: edge.CodeProtocol, Reason: "the first frame is not a login"}
	}
	hello, err := edge.Decode[edge.Hello](first.Data)
	if err != nil {
		return hello, err
	}
	if login := bytes.TrimSpace(hello.Login); len(login) > 0 && login[0] == '"' { // a token
		var text string
		if err := json.Unmarshal(login, &text); err != nil {
			return hello, err
		}
		hello.Login = json.RawMessage(text)
	}
	return hello, nil
}

// login lets a new session in. It returns when the actor knows of it.
func (g *Gateway) login(ctx context.Context, conn carrier.Conn, header http.Header, packet []byte) (*session, error) {
	switch {
	case g.draining.Load():
		return nil, &login.Refusal{Code: edge.CodeDrain, Reason: "the gateway is about to stop"}
	case g.memory.Refuses():
		return nil, &login.Refusal{Code: edge.CodeOverloaded, Reason: shortOfMemory}
	}
	at, err := g.sessions.reserve(g.config.Node.ID())
	if err != nil {
		return nil, err
	}
	request := login.Request{Packet: packet, Remote: conn.Remote(), Carrier: conn.Name(), Header: header, Session: at}
	who, err := g.config.Login.Authenticate(ctx, &request)
	if err != nil {
		return nil, err
	}
	return g.begin(conn, admission{Admission: who, at: at})
}

// begin makes a session and tells its actor.
func (g *Gateway) begin(conn carrier.Conn, who admission) (*session, error) {
	if err := who.Actor.Validate(); err != nil {
		return nil, &login.Refusal{Code: edge.CodeNoActor, Reason: "there is no such actor"}
	}
	s := g.open(conn, who)
	s.deliver()
	return s, nil
}

// turnAway closes a connection that has not become a session's.
func (g *Gateway) turnAway(conn carrier.Conn, err error) {
	var refused *login.Refusal
	var wrong *edge.Violation
	var closed *carrier.Closed
	switch {
	case errors.As(err, &refused):
		g.counts.refused.Add(1)
		if refused.Frame != nil && !conn.Framed() {
			_ = conn.Write([]*carrier.Outgoing{{Frame: carrier.Frame{Kind: edge.KindBinary, Data: refused.Frame}}}) // it is closed anyway
		}
		g.close(conn, refused.Code, refused.Reason)
	case errors.As(err, &wrong):
		g.close(conn, wrong.Code, wrong.Reason)
	case errors.As(err, &closed):
		g.close(conn, closed.Code, closed.Reason)
	case g.ended.Err() != nil:
		g.close(conn, edge.CodeDrain, "the gateway stops")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, mallee.ErrTimeout):
		g.close(conn, edge.CodeUnavailable, "the login could not be checked in time")
	case errors.Is(err, mallee.ErrUnavailable), errors.Is(err, mallee.ErrOverloaded):
		g.log.Warn("a login could not be checked", "remote", conn.Remote(), "error", err)
		g.close(conn, edge.CodeUnavailable, "the login cannot be checked now")
	default:
		g.log.Error("a login has failed by a mistake on this side", "remote", conn.Remote(), "error", err)
		g.close(conn, edge.CodeInternal, "the login could not be checked")
	}
}

// close closes a connection, which may take a moment where the client does not
// read. The code 0 is that of a client that is gone.
func (g *Gateway) close(conn carrier.Conn, code edge.Code, why string) {
	g.counts.closes.add(code)
	go conn.Close(cmp.Or(code, edge.CodeGoingAway), why)
}
