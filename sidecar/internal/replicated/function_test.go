package replicated_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// function is the user function, and the connection to it. It says what the test
// says.
type function struct {
	mu      sync.Mutex
	streams []*rpc
	away    error           // why streams cannot be opened
	ends    bool            // its side of a stream that is half-closed
	answers func(*rpc, any) // what comes over a stream; nil: the test does
}

var _ grpc.ClientConnInterface = (*function)(nil)

func (f *function) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	return errors.ErrUnsupported
}

func (f *function) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away != nil {
		return nil, f.away
	}
	if method != "/cloudstate.crdt.Crdt/handle" || !desc.ClientStreams || !desc.ServerStreams {
		return nil, status.Error(codes.Unimplemented, method)
	}
	r := &rpc{function: f, ctx: ctx, said: make(chan any, 1000)}
	f.streams = append(f.streams, r)
	return r, nil
}

// rpc is one stream.
type rpc struct {
	function *function
	ctx      context.Context
	said     chan any // proto.Message, or the error with which it ends

	heard []string // guarded by the function
	deaf  bool     // takes no messages
}

func (r *rpc) SendMsg(m any) error {
	r.function.mu.Lock()
	deaf := r.deaf
	if !deaf {
		r.heard = append(r.heard, textOf(m.(proto.Message)))
	}
	answers := r.function.answers
	r.function.mu.Unlock()
	if deaf {
		<-r.ctx.Done()
		return status.FromContextError(r.ctx.Err()).Err()
	}
	if answers != nil {
		answers(r, m)
	}
	return nil
}

func (r *rpc) RecvMsg(m any) error {
	select {
	case said := <-r.said:
		if err, ended := said.(error); ended {
			return err
		}
		b, err := proto.Marshal(said.(proto.Message))
		must(err)
		return proto.Unmarshal(b, m.(proto.Message))
	case <-r.ctx.Done():
		r.hear("canceled")
		return status.FromContextError(r.ctx.Err()).Err()
	}
}

func (r *rpc) CloseSend() error {
	r.hear("half-close")
	if r.function.ends {
		r.said <- io.EOF
	}
	return nil
}

func (r *rpc) hear(what string) {
	r.function.mu.Lock()
	defer r.function.mu.Unlock()
	r.heard = append(r.heard, what)
}

func (r *rpc) Context() context.Context     { return r.ctx }
func (r *rpc) Header() (metadata.MD, error) { return nil, nil }
func (r *rpc) Trailer() metadata.MD         { return nil }

// stream is the n-th stream, or nil.
func (f *function) stream(n int) *rpc {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n > len(f.streams) {
		return nil
	}
	return f.streams[n-1]
}

// takes what has come over the stream since the last time.
func (r *rpc) takes() []string {
	r.function.mu.Lock()
	defer r.function.mu.Unlock()
	heard := slices.Clone(r.heard)
	r.heard = nil
	return heard
}
