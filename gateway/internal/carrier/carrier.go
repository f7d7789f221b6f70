// Package carrier carries frames over what clients connect with: WebSocket,
// TCP, TLS, QUIC and WebTransport. It knows nothing of sessions.
//
// New makes an Acceptor of limits. Its methods make connections: Upgrade of a
// WebSocket's HTTP request, ServeTCP of what a listener accepts, with TLS or
// without, ServeQUIC of QUIC and WebTransport on one UDP port.
//
// # Memory of idle connections
//
// A connection weighs its structure with a read buffer of half a kilobyte, the
// socket, and the goroutine that reads. As the system counts (RSS) that is 4.6 KB
// for a WebSocket or TCP, 16 KB for TLS, 62 KB for QUIC and 114 KB for
// WebTransport, nearly all of it theirs. Stacks do not shrink below what a goroutine has once needed, and
// handshakes, logins and writes need more than waiting does. So whoever gets a
// connection should read it in a fresh goroutine that does little else, begin
// another one after the login, and let the one that made the connection end:
// for a WebSocket that is the HTTP handler, whose return also frees the buffers
// of net/http.
package carrier

import (
	"net/netip"

	"github.com/mallee-io/mallee/wire/edge"
)

// Conn is a client's connection. One goroutine reads; Write and Close may be
// called from others.
type Conn interface {
	// Read returns the next frame, whose Data is the caller's. Pings, pongs and
	// closes are dealt with inside. The error is a *Closed where the client has
	// said that it closes, or has to be told why it is closed; net.ErrClosed
	// after Close; otherwise the connection is lost. Errors repeat.
	Read() (Frame, error)
	// Write writes frames, in one system call where it can. It returns when
	// they are written, or an error when a client has not read for
	// Config.WriteTimeout. On a connection that is not framed it leaves out
	// what is no data.
	Write(frames []*Outgoing) error
	// Close tells the client why and ends the connection. It waits for a client
	// that does not read, and then for one that does not leave, for
	// Config.CloseTimeout each. Only the first call counts.
	Close(code edge.Code, reason string)
	// Heard is a counter that moves with every whole message that comes, pings
	// included.
	Heard() uint64
	// Ping makes a client that lives send something. It does not wait; a client
	// that does not take the ping in Config.WriteTimeout loses its connection.
	// The error is net.ErrClosed after Close.
	Ping() error
	Remote() netip.AddrPort
	// Framed reports whether the client speaks frames; otherwise only data can
	// be written, and what is read is data.
	Framed() bool
	// Name of the carrier: websocket, tcp, quic, webtransport.
	Name() string
}

// Frame is what has come.
type Frame struct {
	Kind edge.Kind
	Data []byte
}

// Closed is the error of a Read after which the connection is to be closed, or
// has been by the client.
type Closed struct {
	Code   edge.Code
	Reason string
	Client bool // the client has closed it
}

func (c *Closed) Error() string { return c.Reason }
