package node

import (
	"context"
	"encoding/json"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/jsonargs"
	"github.com/mallee-io/mallee/internal/plain"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// A body is MessagePack unless its caller has no generated code for the method.
// An encoding more is a case more in each of these functions.

// encodingFor is how the arguments of a call are written for a node.
func (n *Node) encodingFor(ctx context.Context, node placement.NodeID, call mallee.Call) (transport.Encoding, error) {
	if s, ok := n.config.Network.(transport.Speaker); ok {
		if e, err := s.Speaks(ctx, node, call.Interface()); e != transport.MessagePack || err != nil {
			return e, err
		}
	}
	if _, raw := call.(*jsonCall); raw {
		return transport.JSON, nil
	}
	return transport.MessagePack, nil
}

// methodName is how the receiver spells a method.
func methodName(e transport.Encoding, call mallee.Call) string {
	if e == transport.Pickle {
		return plain.SnakeCase(call.Method())
	}
	return call.Method()
}

func appendArgs(b []byte, e transport.Encoding, call mallee.Call) ([]byte, error) {
	if e == transport.Pickle {
		return plain.AppendArgs(b, call)
	}
	return call.AppendArgs(b)
}

func decodeArgs(e transport.Encoding, call mallee.Call, body []byte) error {
	switch e {
	case transport.MessagePack:
		return call.DecodeArgs(body)
	case transport.JSON:
		return jsonargs.Decode(body, call.Args())
	case transport.Pickle:
		return plain.DecodeArgs(call, body)
	}
	return unknownEncoding(e)
}

// answering is the request as a turn runs it that answers in an encoding.
func answering(e transport.Encoding, q *activation.Request) *activation.Request {
	if e == transport.MessagePack {
		return q
	}
	encoded := *q // only here, as it costs an allocation
	switch e {
	case transport.JSON:
		encoded.Call = jsonAnswer{q.Call}
	case transport.Pickle:
		encoded.Call = plain.Answer{Call: q.Call}
	}
	return &encoded
}

func decodeResults(e transport.Encoding, call mallee.Call, body []byte) error {
	if e == transport.Pickle {
		return plain.DecodeResults(call, body)
	}
	return call.DecodeResults(body)
}

func unknownEncoding(e transport.Encoding) error {
	return mallee.ErrInvalid.Errorf("a body in encoding %d: this program does not know it", e)
}

// jsonAnswer is a call whose results leave the node as JSON.
type jsonAnswer struct{ mallee.Call }

// AppendResults implements mallee.Call.
func (a jsonAnswer) AppendResults(b []byte) ([]byte, error) {
	results, err := json.Marshal(a.Results())
	return append(b, results...), err
}
