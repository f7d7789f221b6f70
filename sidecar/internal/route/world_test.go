package route_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/functionpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/route"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

const source = `
syntax = "proto3";
package t;
import "cloudstate/entity_key.proto";
import "cloudstate/eventing.proto";
message In { string text = 1; }
message Out { string text = 1; }
message Keyed { string id = 1 [(cloudstate.entity_key) = true]; }
service Model {
  rpc Unary(In) returns (Out);
  rpc StreamedIn(stream In) returns (Out);
  rpc StreamedOut(In) returns (stream Out);
  rpc Streamed(stream In) returns (stream Out);
}
service Two {
  rpc Call(In) returns (Out);
  rpc Many(In) returns (stream Out);
  rpc Tell(In) returns (Out) { option (cloudstate.eventing) = { out: { topic: "news" } }; }
  rpc Wrong(In) returns (In);
}
service Old {
  rpc Unary(In) returns (Out);
  rpc StreamedIn(stream In) returns (Out);
  rpc Streamed(stream In) returns (stream Out);
}
service Entity {
  rpc Get(Keyed) returns (Out);
  rpc Tell(Keyed) returns (Out) { option (cloudstate.eventing) = { out: { topic: "news" } }; }
}
service Copies {
  rpc Do(Keyed) returns (Out);
  rpc Watch(Keyed) returns (stream Out);
  rpc Tell(Keyed) returns (Out) { option (cloudstate.eventing) = { out: { topic: "news" } }; }
}
service Elsewhere {
  rpc Get(Keyed) returns (Out);
  rpc Act(In) returns (Out);
}
`

// world is a router between a user function and the actors of a cluster, all
// but the router made by the test.
type world struct {
	t      *testing.T
	model  *spec.Model
	router *route.Router
	copies *replicated.Server
	stop   func()

	mu      sync.Mutex
	actions map[string]func(*call) error // what the user function does, by service.method
	reports []string
	trace   []string // what happened, in its order
	actor   func(ctx context.Context, id mallee.ID, c *command.Command) error
	says    func(id int64, text string) []*crdtpb.CrdtStreamOut // what replicated entities answer a command with
}

// inWorld runs body in a bubble, in which no goroutine may be left behind.
func inWorld(t *testing.T, body func(w *world), change ...func(*route.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		defer w.stop()
		body(w)
		if err := w.router.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func newWorld(t *testing.T, change ...func(*route.Config)) *world {
	w := &world{t: t, actions: make(map[string]func(*call) error)}
	w.model = spectest.Model(t, []*cloudstatepb.Entity{
		spectest.Entity(spec.Action, "t.Model", ""),
		spectest.Entity(spec.Action, "t.Two", ""),
		spectest.Entity(spec.Stateless, "t.Old", ""),
		spectest.Entity(spec.Value, "t.Entity", "entities"),
		spectest.Entity(spec.Replicated, "t.Copies", "copies"),
	}, spectest.File(t, "t.proto", source))
	conn, stop := w.serve()
	report := func(text string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reports = append(w.reports, text)
	}
	silent := slog.New(slog.DiscardHandler)
	w.copies = replicated.New(replicated.Config{Model: w.model, Function: conn, Replicas: noReplicas{}, Report: report, Log: silent})
	w.stop = func() {
		if err := w.copies.Close(context.Background()); err != nil {
			t.Error(err)
		}
		stop()
	}
	config := route.Config{Model: w.model, Function: conn, Actors: w, Replicated: w.copies, Log: silent, Report: report}
	for _, f := range change {
		f(&config)
	}
	w.router = route.New(config)
	return w
}

func (w *world) serve() (*grpc.ClientConn, func()) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	actionpb.RegisterActionProtocolServer(server, &function{world: w})
	functionpb.RegisterStatelessFunctionServer(server, &oldFunction{world: w})
	crdtpb.RegisterCrdtServer(server, &copiesFunction{world: w})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///function", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn, func() {
		_ = conn.Close()
		server.GracefulStop()
		if err := <-served; err != nil {
			w.t.Error(err)
		}
	}
}

// on says what the user function does when a method is called.
func (w *world) on(method string, do func(*call) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.actions[method] = do
}

// answer makes the user function answer each command to a method.
func (w *world) answer(method string, response func(text string) *actionpb.ActionResponse) {
	w.on(method, func(c *call) error {
		w.note(method + "(" + textOf(c.first.GetPayload().GetValue()) + ")")
		return c.send(response(textOf(c.first.GetPayload().GetValue())))
	})
}

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, what)
}

// happened is what was noted until nothing happens any more.
func (w *world) happened() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.trace, " ")
}

func (w *world) reported() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.reports, "\n\n")
}

// Invoke makes the world the caller of its actors.
func (w *world) Invoke(ctx context.Context, id mallee.ID, c mallee.Call) error {
	w.note(id.String() + "." + c.Method())
	if w.actor == nil {
		return mallee.ErrUnavailable.Errorf("there are no actors")
	}
	return w.actor(ctx, id, c.(*command.Command))
}

func (w *world) method(service, name string) *spec.Method {
	w.t.Helper()
	m := w.model.Service("t." + service).Method(name)
	if m == nil {
		w.t.Fatalf("no method %s.%s", service, name)
	}
	return m
}

// call is one call at the user function.
type call struct {
	ctx   context.Context
	rpc   string
	first *actionpb.ActionCommand
	more  func() (*actionpb.ActionCommand, error)
	send  func(*actionpb.ActionResponse) error
}

// run does what the test wants for the method that the first message names.
func (w *world) run(c *call) error {
	first, err := c.more()
	if err != nil {
		return fmt.Errorf("the first message: %w", err)
	}
	c.first = first
	name := first.GetServiceName() + "." + first.GetName()
	w.mu.Lock()
	do := w.actions[name]
	w.mu.Unlock()
	if do == nil {
		return fmt.Errorf("nothing is prepared for %s", name)
	}
	return do(c)
}

// one gives a command once.
func one(m *actionpb.ActionCommand) func() (*actionpb.ActionCommand, error) {
	return func() (*actionpb.ActionCommand, error) {
		if m == nil {
			return nil, io.EOF
		}
		only := m
		m = nil
		return only, nil
	}
}

type function struct {
	actionpb.UnimplementedActionProtocolServer
	world *world
}

func (f *function) HandleUnary(ctx context.Context, m *actionpb.ActionCommand) (r *actionpb.ActionResponse, err error) {
	err = f.world.run(&call{ctx: ctx, rpc: "unary", more: one(m), send: func(a *actionpb.ActionResponse) error { r = a; return nil }})
	return r, err
}

func (f *function) HandleStreamedIn(s grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	return f.world.run(&call{ctx: s.Context(), rpc: "in", more: s.Recv, send: s.SendAndClose})
}

func (f *function) HandleStreamedOut(m *actionpb.ActionCommand, s grpc.ServerStreamingServer[actionpb.ActionResponse]) error {
	return f.world.run(&call{ctx: s.Context(), rpc: "out", more: one(m), send: s.Send})
}

func (f *function) HandleStreamed(s grpc.BidiStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	return f.world.run(&call{ctx: s.Context(), rpc: "duplex", more: s.Recv, send: s.Send})
}

// oldFunction speaks dialect 0.1; what it does not know of fails the test.
type oldFunction struct {
	functionpb.UnimplementedStatelessFunctionServer
	world *world
}

func (f *oldFunction) command(m *functionpb.FunctionCommand) *actionpb.ActionCommand {
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		f.world.t.Errorf("unknown fields in %v", m)
	}
	return &actionpb.ActionCommand{ServiceName: m.GetServiceName(), Name: m.GetName(), Payload: m.GetPayload()}
}

func (f *oldFunction) reply(a *actionpb.ActionResponse) *functionpb.FunctionReply {
	b, err := proto.Marshal(a)
	r := &functionpb.FunctionReply{}
	if err := errors.Join(err, proto.Unmarshal(b, r)); err != nil {
		f.world.t.Error(err)
	}
	return r
}

func (f *oldFunction) HandleUnary(ctx context.Context, m *functionpb.FunctionCommand) (r *functionpb.FunctionReply, err error) {
	err = f.world.run(&call{ctx: ctx, rpc: "unary", more: one(f.command(m)), send: func(a *actionpb.ActionResponse) error { r = f.reply(a); return nil }})
	return r, err
}

func (f *oldFunction) HandleStreamedIn(s grpc.ClientStreamingServer[functionpb.FunctionCommand, functionpb.FunctionReply]) error {
	return f.world.run(&call{ctx: s.Context(), rpc: "in", more: f.receiving(s.Recv), send: func(a *actionpb.ActionResponse) error { return s.SendAndClose(f.reply(a)) }})
}

func (f *oldFunction) HandleStreamed(s grpc.BidiStreamingServer[functionpb.FunctionCommand, functionpb.FunctionReply]) error {
	return f.world.run(&call{ctx: s.Context(), rpc: "duplex", more: f.receiving(s.Recv), send: func(a *actionpb.ActionResponse) error { return s.Send(f.reply(a)) }})
}

func (f *oldFunction) receiving(recv func() (*functionpb.FunctionCommand, error)) func() (*actionpb.ActionCommand, error) {
	return func() (*actionpb.ActionCommand, error) {
		m, err := recv()
		if err != nil {
			return nil, err
		}
		return f.command(m), nil
	}
}

// client is a call of a client.
type client struct {
	cancel context.CancelFunc
	send   chan<- []byte // closed: half-closed
	got    <-chan *command.Reply
	ended  <-chan error
}

// exchange is the router's side of a client's call.
type exchange struct {
	over context.Context // ends after the call, as that of a front door does
	in   <-chan []byte
	out  chan<- *command.Reply
}

func (x *exchange) Recv() ([]byte, error) {
	select {
	case value, open := <-x.in:
		if !open {
			return nil, io.EOF
		}
		return value, nil
	case <-x.over.Done():
		return nil, x.over.Err()
	}
}

func (x *exchange) Send(r *command.Reply) error {
	select {
	case x.out <- r:
		return nil
	case <-x.over.Done():
		return x.over.Err()
	}
}

// open begins a client's call.
func (w *world) open(m *spec.Method, md ...command.Entry) *client {
	ctx, cancel := context.WithCancel(w.t.Context())
	in, out, ended := make(chan []byte, 64), make(chan *command.Reply, 64), make(chan error, 1)
	go func() {
		over, end := context.WithCancel(ctx)
		defer end()
		err := w.router.Serve(ctx, m, md, &exchange{over, in, out})
		close(out)
		ended <- err
		cancel()
	}()
	return &client{cancel, in, out, ended}
}

// texts are the replies to one whole call of a client.
func (w *world) texts(m *spec.Method, messages ...string) (string, error) {
	c := w.open(m)
	for _, text := range messages {
		c.send <- message(text)
	}
	close(c.send)
	var texts []string
	for r := range c.got {
		texts = append(texts, textOf(r.Payload.Value))
	}
	return strings.Join(texts, " "), <-c.ended
}

// message is an In, Out or Keyed: all have one text under the number 1.
func message(text string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
}

func textOf(value []byte) string {
	if len(value) == 0 {
		return ""
	}
	_, _, n := protowire.ConsumeTag(value)
	text, _ := protowire.ConsumeString(value[n:])
	return text
}

func payload(kind, text string) *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/t." + kind, Value: message(text)}
}

func reply(text string, effects ...*cloudstatepb.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &cloudstatepb.Reply{Payload: payload("Out", text)}}, SideEffects: effects}
}

func failure(text string, effects ...*cloudstatepb.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Failure{Failure: &cloudstatepb.Failure{Description: text}}, SideEffects: effects}
}

func nothing(effects ...*cloudstatepb.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{SideEffects: effects}
}

// split parts a service from its method.
func split(target string) (service, method string) {
	dot := strings.LastIndexByte(target, '.')
	return target[:dot], target[dot+1:]
}

func forward(target, text string, effects ...*cloudstatepb.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Forward{Forward: forwardTo(target, text)}, SideEffects: effects}
}

func forwardTo(target, text string) *cloudstatepb.Forward {
	service, method := split(target)
	return &cloudstatepb.Forward{ServiceName: service, CommandName: method, Payload: payload("In", text)}
}

func effect(target, text string, synchronous bool) *cloudstatepb.SideEffect {
	service, method := split(target)
	return &cloudstatepb.SideEffect{ServiceName: service, CommandName: method, Payload: payload("In", text), Synchronous: synchronous}
}

func wantErr(t *testing.T, err, sentinel error, text string) {
	t.Helper()
	if !errors.Is(err, sentinel) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %v with %q", err, sentinel, text)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
