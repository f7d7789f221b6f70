// Package edge is what clients and gateways say to each other: frames, what
// stands in them, and the codes with which connections are closed. It does no
// I/O. docs/gateway.md is the protocol for those who write clients.
//
// A frame is its kind, one byte, and a payload. A WebSocket with the
// subprotocol "mallee.v1" has one frame in each binary message. A stream (TCP,
// QUIC, WebTransport) has in front of each frame its length in four bytes, big
// endian, the kind included. A WebSocket without the subprotocol is plain: its
// messages are payloads, text or binary, the first one is the login, and there
// are no other kinds.
package edge

// Subprotocol is the WebSocket subprotocol, and the ALPN protocol of QUIC.
const Subprotocol = "mallee.v1"

// Version of the protocol that this package speaks.
const Version = 1

// Kind of a frame.
type Kind uint8

// Kinds of frames. A receiver that does not know one ends the connection with
// CodeProtocol.
const (
	KindLogin   Kind = 1  // client: Hello, in JSON; its first frame
	KindWelcome Kind = 2  // gateway: Welcome, in JSON; its first frame
	KindText    Kind = 3  // data: UTF-8
	KindBinary  Kind = 4  // data: bytes
	KindAck     Kind = 5  // a varint: how many data frames of the epoch have been received
	KindLost    Kind = 6  // gateway: Lost, in JSON
	KindMove    Kind = 7  // gateway: Move, in JSON
	KindPing    Kind = 8  // at most 125 bytes, which come back
	KindPong    Kind = 9  // the bytes of the ping
	KindClose   Kind = 10 // Closed, in JSON; the last frame of a stream
)

// Data reports whether frames of the kind are counted and kept.
func (k Kind) Data() bool { return k == KindText || k == KindBinary }

// Bounds of payloads, in bytes.
const (
	MaxLogin   = 16 << 10 // of a KindLogin
	MaxControl = 16 << 10 // of other kinds without data
	MaxPing    = 125
)
