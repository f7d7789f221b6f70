package sidecartest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/functionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
)

// Config says how a Function differs from one that does all well. The zero
// value is that one.
type Config struct {
	// Spec changes what the function declares of itself.
	Spec func(*cloudstatepb.EntitySpec)

	// Misbehave decides what is sent in answer to a message. Defaults to what the
	// models answer. It is called by as many goroutines as there are streams.
	Misbehave Misbehave

	// Threads is how many calls are served at once, streams among them; others
	// wait until one has ended. Defaults to no limit.
	Threads int
}

// Misbehave is asked about each message of the sidecar, in, and about the end of
// its messages, which is nil. Out is what the model answers. What it returns is
// sent instead; an error ends the call, after that: io.EOF a stream that goes both
// ways ends well.
type Misbehave func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error)

// Function is a user function with all models. It records the sidecar's calls.
type Function struct {
	*Recorder
	config  Config
	addr    string
	threads chan struct{} // nil: no limit

	mu   sync.Mutex
	stop func() // nil while it is stopped
}

// Start starts a function on a port of its own. It ends with the test.
func Start(t testing.TB, c Config) *Function {
	t.Helper()
	f := &Function{Recorder: newRecorder(), config: c, addr: "127.0.0.1:0"}
	if c.Misbehave == nil {
		f.config.Misbehave = behave
	}
	if c.Threads > 0 {
		f.threads = make(chan struct{}, c.Threads)
	}
	f.Restart(t)
	t.Cleanup(f.Stop)
	return f
}

// Once misbehaves the first time that a message matches.
func Once(matches func(in proto.Message) bool, do Misbehave) Misbehave {
	var done atomic.Bool
	return func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		if in != nil && matches(in) && done.CompareAndSwap(false, true) {
			return do(ctx, in, out)
		}
		return out, nil
	}
}

func behave(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
	return out, nil
}

// Addr is where the sidecar finds it, host:port.
func (f *Function) Addr() string { return f.addr }

// Stop ends the function as the death of its process does: connections break,
// nobody listens, and what its streams knew is gone.
func (f *Function) Stop() {
	f.mu.Lock()
	stop := f.stop
	f.stop = nil
	f.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Restart starts it again after Stop, at the same address.
func (f *Function) Restart(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = l.Addr().String()
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(f.unaryThread, f.unary),
		grpc.ChainStreamInterceptor(f.streamThread, f.stream),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
	)
	cloudstatepb.RegisterEntityDiscoveryServer(server, discovery{f: f})
	eventsourcedpb.RegisterEventSourcedServer(server, eventSourced{f: f})
	valueentitypb.RegisterValueEntityServer(server, valueEntity{f: f})
	actionpb.RegisterActionProtocolServer(server, action{f: f})
	crdtpb.RegisterCrdtServer(server, replicated{f: f})
	functionpb.RegisterStatelessFunctionServer(server, function{f: f})
	f.mu.Lock()
	f.stop = func() {
		server.Stop()
		_ = l.Close() // what has not begun to serve has not closed it yet
	}
	f.mu.Unlock()
	serve(t, server, l)
}

// thread waits for one that is free.
func (f *Function) thread(ctx context.Context) (free func(), err error) {
	if f.threads == nil {
		return func() {}, nil
	}
	select {
	case f.threads <- struct{}{}:
		return func() { <-f.threads }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *Function) unaryThread(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	free, err := f.thread(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	return handle(ctx, req)
}

func (f *Function) streamThread(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	free, err := f.thread(s.Context())
	if err != nil {
		return err
	}
	defer free()
	return handle(srv, s)
}

// discovery declares the function.
type discovery struct {
	cloudstatepb.UnimplementedEntityDiscoveryServer
	f *Function
}

func (d discovery) Discover(context.Context, *cloudstatepb.ProxyInfo) (*cloudstatepb.EntitySpec, error) {
	spec := entitySpec()
	if d.f.config.Spec != nil {
		d.f.config.Spec(spec)
	}
	return spec, nil
}

func (discovery) ReportError(context.Context, *cloudstatepb.UserFunctionError) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
