package carrier

import (
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/mallee-io/mallee/wire/edge"
)

// Outgoing is a frame to write. It is made once, however many connections it
// goes to, and encoded once for each way in which carriers write. Neither it nor
// its Data changes.
type Outgoing struct {
	Frame
	encoded [ways]atomic.Pointer[[]byte]
}

// way in which a frame is written.
type way int

const (
	plainMessage  way = iota // a message of a WebSocket is a payload
	framedMessage            // a message of a WebSocket is a kind and a payload
	stream                   // length, kind and payload
	ways
)

// as returns the frame as it is written, which is nothing for one that cannot
// be. Two callers at once may both encode it, to the same bytes.
func (o *Outgoing) as(w way) []byte {
	if b := o.encoded[w].Load(); b != nil {
		return *b
	}
	b := encode(o.Frame, w)
	o.encoded[w].Store(&b)
	return b
}

func encode(f Frame, w way) []byte {
	switch {
	case w == stream:
		b := make([]byte, 0, edge.HeaderSize+len(f.Data))
		return edge.AppendFrame(b, f.Kind, f.Data)
	case w == framedMessage:
		b := appendHeader(ws.OpBinary, 1+len(f.Data))
		return append(append(b, byte(f.Kind)), f.Data...)
	case f.Kind == edge.KindText:
		return append(appendHeader(ws.OpText, len(f.Data)), f.Data...)
	case f.Kind == edge.KindBinary:
		return append(appendHeader(ws.OpBinary, len(f.Data)), f.Data...)
	}
	return nil
}
