package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/mallee-io/mallee/wire/edge"
)

// websocket carries a frame in each binary message.
type websocket struct {
	conn    net.Conn
	in      *bufio.Reader
	largest int

	mu  sync.Mutex // of writes: pongs come from the reader
	out bytes.Buffer
}

func dialWebSocket(ctx context.Context, u *url.URL, c *Config) (carrier, error) {
	dialer := ws.Dialer{Protocols: []string{edge.Subprotocol}, TLSConfig: c.TLS}
	conn, in, handshake, err := dialer.Dial(ctx, u.String())
	if err != nil {
		return nil, err
	}
	if handshake.Protocol != edge.Subprotocol {
		_ = conn.Close() // nothing was said on it
		return nil, fmt.Errorf("the server does not speak %s", edge.Subprotocol)
	}
	if in == nil { // otherwise it has frames that came with the handshake
		in = bufio.NewReader(conn)
	}
	return &websocket{conn: conn, in: in, largest: c.Largest}, nil
}

func (w *websocket) read() (edge.Data, error) {
	message, err := w.message()
	if err != nil {
		return edge.Data{}, err
	}
	kind, payload, err := edge.ParseMessage(message, w.largest)
	return edge.Data{Kind: kind, Payload: payload}, err
}

// message joins the fragments of a message; control frames may come between.
func (w *websocket) message() (message []byte, err error) {
	for begun := false; ; {
		header, err := ws.ReadHeader(w.in)
		if err != nil {
			return nil, err
		}
		if most := max(w.largest, edge.MaxControl) + 1; header.Length > int64(most-len(message)) {
			return nil, &edge.Violation{Code: edge.CodeTooLarge, Reason: fmt.Sprintf("a message of more than %d bytes", most)}
		}
		payload := make([]byte, header.Length)
		if _, err := io.ReadFull(w.in, payload); err != nil {
			return nil, err
		}
		if header.OpCode.IsControl() {
			if err := w.control(header.OpCode, payload); err != nil {
				return nil, err
			}
			continue
		}
		if header.Masked || header.Rsv != 0 || header.OpCode == ws.OpText || begun != (header.OpCode == ws.OpContinuation) {
			return nil, &edge.Violation{Code: edge.CodeProtocol, Reason: "a frame of the WebSocket that makes no sense here"}
		}
		begun = true
		message = append(message, payload...)
		if header.Fin {
			return message, nil
		}
	}
}

func (w *websocket) control(op ws.OpCode, payload []byte) error {
	switch op {
	case ws.OpPing:
		return w.send(ws.NewPongFrame(payload))
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		return &edge.Closed{Code: edge.Code(code), Reason: reason}
	}
	return nil
}

func (w *websocket) write(frames []edge.Data) error {
	all := make([]ws.Frame, len(frames))
	for i, f := range frames {
		all[i] = ws.NewBinaryFrame(append([]byte{byte(f.Kind)}, f.Payload...))
	}
	return w.send(all...)
}

// send writes frames, whose payloads become masked.
func (w *websocket) send(frames ...ws.Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.Reset()
	for _, f := range frames {
		if err := ws.WriteFrame(&w.out, ws.MaskFrameInPlace(f)); err != nil {
			return err
		}
	}
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := w.conn.Write(w.out.Bytes())
	return err
}

func (w *websocket) goodbye(code edge.Code, reason string) {
	body := ws.NewCloseFrameBody(ws.StatusCode(code), strings.ToValidUTF8(reason[:min(len(reason), 123)], ""))
	_ = w.send(ws.NewCloseFrame(body)) // it may be gone already
}

func (w *websocket) close() { _ = w.conn.Close() }
