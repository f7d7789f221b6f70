package entity

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee"
)

// stream is one stream to the user function, which is one incarnation of an
// entity there. The turns of its activation send and receive, so an idle one
// costs no goroutine of ours; that it has ended is seen when it is used next.
type stream struct {
	rpc      grpc.ClientStream
	slot     *Slot
	ctx      context.Context // of the stream alone: callers may come and go
	cancel   context.CancelCauseFunc
	patience *time.Timer   // cancels the stream
	limit    time.Duration // of patience for a step
	ended    chan struct{} // closed when the user function has ended it too, or is given up
}

var (
	errPatience = errors.New("patience is exhausted")
	handle      = &grpc.StreamDesc{StreamName: "handle", ServerStreams: true, ClientStreams: true}
)

// openStream opens a stream once there is a place for it. Leave is called when
// the place is needed for another one.
func (k *kind) openStream(leave func(*Slot)) (*stream, error) {
	s := &stream{limit: k.RelayTimeout, ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.patience = time.AfterFunc(s.limit, func() { s.cancel(errPatience) })
	err := s.open(k, leave)
	s.patience.Stop()
	if err != nil {
		s.slot.Free()
		if context.Cause(s.ctx) == errPatience {
			return nil, mallee.ErrUnavailable.Errorf("there was no stream to the user function within %v", s.limit)
		}
		s.cancel(nil)
		return nil, mallee.ErrUnavailable.Errorf("the user function cannot be reached: %v", err)
	}
	return s, nil
}

func (s *stream) open(k *kind, leave func(*Slot)) (err error) {
	if s.slot, err = k.Streams.Take(s.ctx, leave); err != nil {
		return err
	}
	s.rpc, err = k.Function.NewStream(s.ctx, handle, k.path, k.options...)
	return err
}

// send returns io.EOF when the stream has ended, and receive then says why.
func (s *stream) send(m proto.Message) error {
	s.patience.Reset(s.limit)
	return s.done(s.rpc.SendMsg(m))
}

func (s *stream) receive(m proto.Message) error {
	s.patience.Reset(s.limit)
	return s.done(s.rpc.RecvMsg(m))
}

// done is the end of a step for which there was patience.
func (s *stream) done(err error) error {
	s.patience.Stop()
	if err != nil && context.Cause(s.ctx) == errPatience {
		return mallee.ErrTimeout.Errorf("the user function has let an entity wait for more than %v", s.limit)
	}
	return err
}

// end half-closes the stream and lets the user function end it within a limit;
// only then it is canceled. It does not wait.
func (s *stream) end(limit time.Duration) {
	s.patience.Reset(limit)
	go func() {
		err := s.rpc.CloseSend()
		for err == nil {
			err = s.rpc.RecvMsg(&emptypb.Empty{}) // whatever it is
		}
		s.patience.Stop()
		s.cancel(nil)
		s.slot.Free()
		close(s.ended)
	}()
}
