// Package carrier carries frames over what clients connect with: WebSocket,
// TCP, TLS, QUIC and WebTransport. It knows nothing of sessions.
package carrier

import (
	"net/netip"

	"github.com/mallee-io/mallee/wire/edge"
)

// Conn is a client's connection. One goroutine reads; Write and Close may be
// called from others.
type Conn interface {
	// Read returns the next frame, whose Data is the caller's. Pings and pongs
	// of the carrier itself are dealt with inside. The error is a *Closed where
	// a close frame has come or has to go.
	Read() (Frame, error)
	// Write writes frames, in one system call where it can. One goroutine at a
	// time. It returns when they are written, or an error after the time that
	// the listener allows a client that does not read.
	Write(frames []*Outgoing) error
	// Close tells the client why and ends the connection, without waiting for
	// the client for longer than a short time. Only the first call counts.
	Close(code edge.Code, reason string)
	// Heard is a counter that moves with everything that comes, pings of the
	// carrier included.
	Heard() uint64
	// Ping makes a client that lives send something.
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

// Outgoing is a frame to write. It is made once, however many connections it
// goes to, and encoded once for each way in which carriers write. Neither it nor
// its Data changes.
type Outgoing struct {
	Frame
}

// Closed is the error of a Read after which the connection is to be closed, or
// has been by the client.
type Closed struct {
	Code   edge.Code
	Reason string
	Client bool // the client has closed it
}

func (c *Closed) Error() string { return c.Reason }
