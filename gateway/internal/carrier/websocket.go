package carrier

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"

	"github.com/gobwas/ws"

	"github.com/mallee-io/mallee/wire/edge"
)

// webSocket is a connection of RFC 6455. Extensions are refused, so there is
// no compression, and nothing that grows when it is unpacked.
type webSocket struct {
	link
	framed bool

	// Guarded by reading.
	header  [ws.MaxHeaderSize]byte
	message []byte    // its fragments so far
	opcode  ws.OpCode // of the message whose fragments come; 0 between messages
}

var _ Conn = (*webSocket)(nil)

// Upgrade makes a connection of a request. It speaks frames if the client
// offers the subprotocol of package edge. An error has been answered. The
// request's context ends when the handler returns; the connection does not.
func (a *Acceptor) Upgrade(w http.ResponseWriter, r *http.Request) (Conn, error) {
	if !a.allows(r) {
		http.Error(w, "pages of this origin may not connect", http.StatusForbidden)
		return nil, fmt.Errorf("upgrade to a WebSocket: the origin %q is not allowed", r.Header.Get("Origin"))
	}
	upgrader := ws.HTTPUpgrader{Timeout: a.WriteTimeout, Protocol: func(p string) bool { return p == edge.Subprotocol }}
	socket, buffered, chosen, err := upgrader.Upgrade(r, w)
	if err != nil {
		if socket != nil {
			_ = socket.Close()
		}
		return nil, fmt.Errorf("upgrade to a WebSocket: %w", err)
	}
	c := &webSocket{framed: chosen.Protocol == edge.Subprotocol}
	c.link.Acceptor, c.to, c.remote = a, messages{socket}, addrPort(socket.RemoteAddr())
	_, c.secure = socket.(*tls.Conn)
	// Nothing of the buffers is kept: they are as large as all the rest.
	early := buffered.Reader.Buffered()
	if early > len(c.in.buffer) {
		_ = socket.Close()
		return nil, errors.New("upgrade to a WebSocket: the client has not waited for the answer")
	}
	c.in.write, _ = buffered.Read(c.in.buffer[:early])
	return c, nil
}

func (c *webSocket) Name() string { return "websocket" }
func (c *webSocket) Framed() bool { return c.framed }

func (c *webSocket) way() way {
	if c.framed {
		return framedMessage
	}
	return plainMessage
}

func (c *webSocket) Read() (Frame, error)           { return c.receive(c.next) }
func (c *webSocket) Write(frames []*Outgoing) error { return c.send(frames, c.way()) }
func (c *webSocket) Ping() error                    { return c.ping(appendHeader(ws.OpPing, 0)) }

func (c *webSocket) Close(code edge.Code, reason string) {
	var body []byte
	if sendable(code) { // others stand for a client that has given none
		body = append(binary.BigEndian.AppendUint16(nil, uint16(code)), shorten(reason)...)
	}
	c.close(code, reason, append(appendHeader(ws.OpClose, len(body)), body...), c.depart)
}

// depart reads until the client's own close frame.
func (c *webSocket) depart() error {
	for {
		_, err := c.next()
		var closed *Closed
		if errors.As(err, &closed) && closed.Client {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next reads frames until there is a message for the reader.
func (c *webSocket) next() (Frame, error) {
	for {
		h, err := c.readHeader()
		switch {
		case err != nil:
			return Frame{}, err
		case h.OpCode.IsControl():
			err = c.readControl(h)
		default:
			err = c.readFragment(h)
		}
		if err != nil {
			return Frame{}, err
		}
		if h.OpCode.IsControl() || !h.Fin {
			continue
		}
		f, deliver, err := c.complete()
		if err != nil || deliver {
			return f, err
		}
	}
}

func (c *webSocket) readHeader() (ws.Header, error) {
	if err := c.await(); err != nil {
		return ws.Header{}, err
	}
	h, err := ws.ReadHeaderBuffer((*filler)(&c.link), c.header[:])
	if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
		return h, &edge.Violation{Code: edge.CodeProtocol, Reason: "a frame whose length cannot be"}
	}
	if err != nil {
		return h, err
	}
	state := ws.StateServerSide
	if c.opcode != 0 {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, &edge.Violation{Code: edge.CodeProtocol, Reason: err.Error()}
	}
	return h, nil
}

// readControl deals with a control frame, which may stand amid the fragments of
// a message.
func (c *webSocket) readControl(h ws.Header) error {
	if err := c.vain.take(); err != nil {
		return err
	}
	body, err := c.payload(nil, int(h.Length)) // at most 125: the header was checked
	if err != nil {
		return err
	}
	ws.Cipher(body, h.Mask, 0)
	if c.opcode != 0 {
		c.heard.Add(1)
	} else if err := c.whole(); err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		c.pong(append(appendHeader(ws.OpPong, len(body)), body...))
	case ws.OpClose:
		return closedBy(body)
	}
	return nil
}

// closedBy is what a client's close frame says.
func closedBy(body []byte) error {
	if len(body) == 0 {
		return &Closed{Reason: "the client has not said why", Client: true}
	}
	if len(body) == 1 {
		return &edge.Violation{Code: edge.CodeProtocol, Reason: "a close frame with half a code"}
	}
	code, reason := ws.ParseCloseFrameData(body)
	switch err := ws.CheckCloseFrameData(code, reason); {
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return &edge.Violation{Code: edge.CodeText, Reason: "a reason that is not UTF-8"}
	case err != nil:
		return &edge.Violation{Code: edge.CodeProtocol, Reason: err.Error()}
	}
	return &Closed{Code: edge.Code(code), Reason: reason, Client: true}
}

func (c *webSocket) readFragment(h ws.Header) error {
	if h.Length == 0 && !h.Fin {
		if err := c.vain.take(); err != nil {
			return err
		}
	}
	if h.OpCode != ws.OpContinuation {
		c.opcode = h.OpCode
	}
	if most := c.largest(); h.Length > int64(most-len(c.message)) {
		return &edge.Violation{Code: edge.CodeTooLarge, Reason: fmt.Sprintf("a message has at most %d bytes", most)}
	}
	before := len(c.message)
	var err error
	if c.message, err = c.payload(c.message, int(h.Length)); err != nil {
		return err
	}
	ws.Cipher(c.message[before:], h.Mask, 0)
	if !h.Fin {
		return c.hurry() // for the fragments to come
	}
	return nil
}

// largest is how many bytes a message may have.
func (c *webSocket) largest() int {
	if c.framed {
		return 1 + max(c.MaxMessage, edge.MaxLogin)
	}
	return c.MaxMessage
}

// complete makes a frame of the message that has come.
func (c *webSocket) complete() (f Frame, deliver bool, err error) {
	message, opcode := c.message, c.opcode
	c.message, c.opcode = nil, 0
	if err := c.whole(); err != nil {
		return f, false, err
	}
	switch {
	case c.framed && opcode == ws.OpText:
		return f, false, &edge.Violation{Code: edge.CodeProtocol, Reason: "frames are binary messages"}
	case c.framed:
		f.Kind, f.Data, err = edge.ParseMessage(message, c.MaxMessage)
	case opcode == ws.OpText:
		f = Frame{Kind: edge.KindText, Data: message}
	default:
		f = Frame{Kind: edge.KindBinary, Data: message}
	}
	if err == nil {
		deliver, err = c.take(f, c.way())
	}
	return f, deliver, err
}

// appendHeader makes the header of a frame to a client, with room for more.
func appendHeader(opcode ws.OpCode, n int) []byte {
	b := make([]byte, 0, 10+n)
	b = append(b, 0x80|byte(opcode)) // the only fragment
	switch {
	case n < 126:
		return append(b, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
}

// sendable reports whether a code may stand in a close frame.
func sendable(code edge.Code) bool {
	return code >= 1000 && code != 1004 && code != 1005 && code != 1006 && code != 1015
}

// filler reads as much as it is asked for.
type filler link

func (f *filler) Read(p []byte) (int, error) {
	if err := (*link)(f).fill(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// messages is a WebSocket's socket. Close frames stand for the ends of its two
// directions.
type messages struct{ net.Conn }

func (m messages) finish() error         { return nil }
func (m messages) end(edge.Code, string) { hangUp(m.Conn) }

// hangUp closes a socket without waiting: TLS would wait to say so.
func hangUp(socket net.Conn) {
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn()
	}
	_ = socket.Close()
}

func addrPort(addr net.Addr) netip.AddrPort {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return unmap(a.AddrPort())
	case *net.UDPAddr:
		return unmap(a.AddrPort())
	}
	return netip.AddrPort{}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
