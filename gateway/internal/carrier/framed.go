package carrier

import (
	"github.com/mallee-io/mallee/wire/edge"
)

// take deals with a frame that has come. It reports whether the frame is for
// the reader; others are dealt with. Answers are written in the way w.
func (l *link) take(f Frame, w way) (deliver bool, err error) {
	switch f.Kind {
	case edge.KindText:
		return true, edge.CheckText(f.Data)
	case edge.KindPing:
		if err := l.vain.take(); err != nil {
			return false, err
		}
		l.pong(encode(Frame{Kind: edge.KindPong, Data: f.Data}, w))
		return false, nil
	case edge.KindPong:
		return false, l.vain.take()
	case edge.KindClose:
		closed, err := edge.Decode[edge.Closed](f.Data)
		if err != nil {
			return false, err
		}
		return false, &Closed{Code: closed.Code, Reason: closed.Reason, Client: true}
	}
	if !f.Kind.FromClient() {
		return false, &edge.Violation{Code: edge.CodeProtocol, Reason: "a frame of a kind that only gateways send"}
	}
	return true, nil
}
