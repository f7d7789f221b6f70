package koala

import (
	"fmt"

	"github.com/mallee-io/mallee/wire"
)

// Append appends a frame with m, for a host, as a Python host writes it. It
// fails for Unknown, for text that is not UTF-8, for an integer id that is none,
// and for a frame beyond the bounds of package wire; b is then as it was.
func Append(b []byte, m Message, body []byte) ([]byte, error) {
	return appendFrame(b, m, body, m.fields)
}

// AppendAsGateway is Append for a gateway: the fields are those that the
// original gateway writes, in its order. (Text stays UTF-8, where that escapes
// all that is not ASCII; to a reader this is the same.)
func AppendAsGateway(b []byte, m Message, body []byte) ([]byte, error) {
	if o, ok := m.(ordered); ok {
		return appendFrame(b, m, body, o.gatewayFields)
	}
	return Append(b, m, body)
}

// AppendToGateway is Append for a peer that may be the original gateway. It
// refuses what that does not know and would close the connection for: RPCs. It
// appends one frame, with the body, for each target of a
// RequestSendMessageToSession, as that gateway delivers no others; without
// targets there is none.
func AppendToGateway(b []byte, m Message, body []byte) ([]byte, error) {
	switch m := m.(type) {
	case *RPCRequest, *RPCResponse:
		return b, fmt.Errorf("a gateway does not know %s: send it to a host", m.TypeName())
	case *RequestSendMessageToSession:
		out := b
		for _, id := range m.Targets() {
			var err error
			if out, err = Append(out, &RequestSendMessageToSession{SessionID: id}, body); err != nil {
				return b, err
			}
		}
		return out, nil
	}
	return Append(b, m, body)
}

func appendFrame(b []byte, m Message, body []byte, fields func(coder)) ([]byte, error) {
	name := m.TypeName()
	if _, ok := m.(*Unknown); ok {
		return b, fmt.Errorf("%.80q is not a type of message that peers know: only those of this package can be sent", name)
	}
	w := writer{b: append(append(make([]byte, 0, 256), byte(len(name))), name...)}
	w.b = append(w.b, '{')
	fields(&w)
	if w.err != nil {
		return b, fmt.Errorf("%s: %w", name, w.err)
	}
	return wire.AppendFrame(b, append(w.b, '}'), body)
}
