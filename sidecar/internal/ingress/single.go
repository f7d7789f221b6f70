package ingress

import (
	"io"

	"google.golang.org/grpc/codes"

	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// single is the exchange of a call whose message is read already, and whose reply
// is written when the call has ended.
type single struct {
	value []byte
	taken bool
	reply *command.Reply // the first one
}

var _ command.Exchange = (*single)(nil)

// errNoReply is the end of a unary call that was answered without a message.
var errNoReply = refuse(codes.Unknown, "the service has answered without a message")

// Recv is the one message.
func (s *single) Recv() ([]byte, error) {
	if s.taken {
		return nil, io.EOF
	}
	s.taken = true
	return s.value, nil
}

// Send keeps the reply.
func (s *single) Send(reply *command.Reply) error {
	if s.reply == nil {
		s.reply = reply
	}
	return nil
}
