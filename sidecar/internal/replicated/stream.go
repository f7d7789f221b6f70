package replicated

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
)

// stream is one stream to the user function. One goroutine sends while another
// one receives.
type stream struct {
	rpc      grpc.ClientStream
	cancel   context.CancelCauseFunc
	ctx      context.Context
	patience *time.Timer // cancels the stream when it does not take a message
	limit    time.Duration
}

var (
	errPatience = errors.New("patience is exhausted")
	handle      = &grpc.StreamDesc{StreamName: "handle", ServerStreams: true, ClientStreams: true}
)

func (s *Server) openStream() (*stream, error) {
	st := &stream{limit: s.RelayTimeout}
	st.ctx, st.cancel = context.WithCancelCause(context.Background())
	st.patience = time.AfterFunc(st.limit, func() { st.cancel(errPatience) })
	var err error
	st.rpc, err = s.Function.NewStream(st.ctx, handle, "/cloudstate.crdt.Crdt/handle", grpc.MaxCallRecvMsgSize(s.MaxMessage))
	st.patience.Stop()
	if err != nil {
		st.cancel(nil)
		return nil, mallee.ErrUnavailable.Errorf("the user function cannot be reached: %v", err).BeforeRun()
	}
	return st, nil
}

// send ignores a stream that has ended: receive tells why.
func (s *stream) send(m proto.Message) error {
	s.patience.Reset(s.limit)
	err := s.rpc.SendMsg(m)
	s.patience.Stop()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return s.why(err)
}

func (s *stream) receive(m proto.Message) error { return s.why(s.rpc.RecvMsg(m)) }

func (s *stream) why(err error) error {
	cause := context.Cause(s.ctx)
	switch {
	case err == nil || cause == nil || cause == context.Canceled:
		return err
	case cause == errPatience:
		return mallee.ErrTimeout.Errorf("the user function has not taken a message within %v", s.limit)
	}
	return cause
}

// end half-closes the stream. What receives has so long to see the user function
// end it too.
func (s *stream) end(limit time.Duration) {
	s.patience.Reset(limit)
	if err := s.rpc.CloseSend(); err != nil {
		s.cancel(nil)
	}
}

// close is called once the stream has ended.
func (s *stream) close() {
	s.patience.Stop()
	s.cancel(nil)
}
