package node

import (
	"encoding/json"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/jsonargs"
	"github.com/mallee-io/mallee/internal/transport"
)

// A body is MessagePack unless its caller has no generated code for the method.
// An encoding more is a case more in each of these functions.

// encodingOf is how the arguments of a call are written for another node.
func encodingOf(call mallee.Call) transport.Encoding {
	if _, raw := call.(*jsonCall); raw {
		return transport.JSON
	}
	return transport.MessagePack
}

func decodeArgs(e transport.Encoding, call mallee.Call, body []byte) error {
	switch e {
	case transport.MessagePack:
		return call.DecodeArgs(body)
	case transport.JSON:
		return jsonargs.Decode(body, call.Args())
	}
	return unknownEncoding(e)
}

// answering is the request as a turn runs it that answers in an encoding.
func answering(e transport.Encoding, q *activation.Request) *activation.Request {
	if e != transport.JSON {
		return q
	}
	plainly := *q
	plainly.Call = jsonAnswer{q.Call}
	return &plainly
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
