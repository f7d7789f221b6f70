package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/functionpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tcklog"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// Node's library may never end its side of a stream. The sidecar waits a while,
// and lets go of it; the entity is there for the next command.
func TestNodeNeverEndsStreams(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Misbehave: func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		if in == nil {
			<-ctx.Done()
		}
		return out, nil
	}}, sidecar.Config{})
	client := tckevents.NewEventSourcedConfiguredClient(p.conn)
	for range 2 {
		if _, err := client.Call(p.ctx, &tckevents.Request{Id: "it"}); err != nil {
			t.Fatal(err)
		}
		p.Expect(t, sidecartest.EventSourced).HalfClosed().Cancelled()
	}
}

// Go's library cannot take a command after it has asked for a restart. Those
// that wait go to the next stream, and each of them once.
func TestCommandsWaitForRestart(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	fail := &tckevents.RequestAction{Action: &tckevents.RequestAction_Fail{Fail: &tckevents.Fail{Message: "no"}}}
	const each = 20
	done := make(chan error, 2*each)
	for range each {
		go func() { _, err := p.events("it", emit("x")); done <- err }()
		go func() {
			_, err := p.events("it", emit("lost"), fail)
			if status.Convert(err).Message() == "no" {
				err = nil
			}
			done <- err
		}()
	}
	for range 2 * each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	has(t, strings.Repeat("x", each))(p.events("it"))
}

// Python's library pins a thread for each stream, and has few of them: the
// sidecar keeps fewer streams, so that all entities are served, and actions.
func TestPythonHasFewThreads(t *testing.T) {
	t.Parallel()
	t.Run("one for each CPU", func(t *testing.T) {
		t.Parallel()
		p := start(t, sidecartest.Config{Threads: runtime.NumCPU(), Spec: python}, sidecar.Config{})
		for round := range 2 {
			for i := range runtime.NumCPU() + 3 {
				has(t, strings.Repeat("x", round+1))(p.events(fmt.Sprintf("entity-%d", i), emit("x")))
			}
		}
	})
	t.Run("three", func(t *testing.T) {
		t.Parallel()
		p := start(t, sidecartest.Config{Threads: 3, Spec: python}, sidecar.Config{MaxStreams: 2})
		const entities, each = 6, 3
		done := make(chan error, entities)
		for i := range entities {
			go func() {
				var err error
				for range each {
					_, failed := p.events(fmt.Sprintf("entity-%d", i), emit("x"))
					err = errors.Join(err, failed)
				}
				done <- err
			}()
		}
		for range entities {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for i := range entities {
			has(t, strings.Repeat("x", each))(p.events(fmt.Sprintf("entity-%d", i)))
		}
		got, err := tckaction.NewActionTckModelClient(p.conn).ProcessUnary(p.ctx, saying("A"))
		has(t, "A")(got.GetMessage(), err)
	})
	// An entity that forwards has its stream still, but does not need it.
	t.Run("one, and a forward", func(t *testing.T) {
		t.Parallel()
		p := start(t, sidecartest.Config{Threads: 2, Spec: python}, sidecar.Config{MaxStreams: 1})
		forward := &tckevents.RequestAction{Action: &tckevents.RequestAction_Forward{Forward: &tckevents.Forward{Id: "other"}}}
		has(t, "")(p.events("it", emit("A"), forward))
		has(t, "A")(p.events("it"))
	})
}

func python(spec *cloudstatepb.EntitySpec) {
	spec.ServiceInfo.SupportLibraryName = "cloudstate-python-support"
	spec.ServiceInfo.ProtocolMinorVersion = 0
}

// Python's library makes snapshots, but ends a stream that begins with one: its
// entities get all of their events.
func TestPythonCannotReadSnapshots(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Spec: python}, sidecar.Config{MaxStreams: 1})
	p.Expect(t, sidecartest.Discover)
	for _, want := range []string{"ABCDEF", "ABCDEFABCDEF"} { // a snapshot comes with each
		has(t, want)(p.events("it", emit("A"), emit("B"), emit("C"), emit("D"), emit("E"), emit("F")))
		has(t, "")(p.events("other"))
		call := p.Expect(t, sidecartest.EventSourced)
		if init := call.NextIn().(*eventsourcedpb.EventSourcedStreamIn).GetInit(); init.GetSnapshot() != nil {
			t.Errorf("a stream begins with %v", init)
		}
		p.Expect(t, sidecartest.EventSourced)
	}
}

// Python's actions end with an error of the call where they raise.
func TestActionEndsWithError(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Misbehave: func(_ context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		return out, status.Error(codes.Unknown, "Exception calling application: no")
	}}, sidecar.Config{})
	client := tckaction.NewActionTckModelClient(p.conn)
	if _, err := client.ProcessUnary(p.ctx, saying("A")); err == nil {
		t.Error("a unary call succeeds")
	}
	stream, err := client.ProcessStreamedOut(p.ctx, saying("A"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.Recv(); err != nil || m.GetMessage() != "A" {
		t.Errorf("what came before the error is %v, %v", m, err)
	}
	_, err = stream.Recv()
	fails(t, err, codes.Unknown, "Exception calling application: no")
}

func saying(texts ...string) *tckaction.Request {
	req := &tckaction.Request{}
	for _, text := range texts {
		step := &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Reply{Reply: &tckaction.Reply{Message: text}}}
		req.Groups = append(req.Groups, &tckaction.ProcessGroup{Steps: []*tckaction.ProcessStep{step}})
	}
	return req
}

// Protocol 0.1 has stateless functions in the place of actions. Each message of
// a stream names what is called, which the user function insists on.
func TestStatelessFunctions(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Spec: sidecartest.Dialect01}, sidecar.Config{})
	client := tckaction.NewActionTckModelClient(p.conn)
	got, err := client.ProcessUnary(p.ctx, saying("A"))
	has(t, "A")(got.GetMessage(), err)
	call := p.Expect(t, sidecartest.FunctionUnary)
	if c := call.NextIn().(*functionpb.FunctionCommand); c.GetName() != "ProcessUnary" {
		t.Errorf("the command is %v", c)
	}

	in, err := client.ProcessStreamedIn(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"A", "B"} {
		if err := in.Send(saying(text)); err != nil {
			t.Fatal(err)
		}
	}
	got, err = in.CloseAndRecv()
	has(t, "B")(got.GetMessage(), err)

	out, err := client.ProcessStreamedOut(p.ctx, saying("A", "B"))
	if err != nil {
		t.Fatal(err)
	}
	expectTexts(t, out, "A", "B")

	both, err := client.ProcessStreamed(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"A", "B"} {
		if err := both.Send(saying(text)); err != nil {
			t.Fatal(err)
		}
		got, err := both.Recv()
		has(t, text)(got.GetMessage(), err)
	}
	if err := both.CloseSend(); err != nil {
		t.Fatal(err)
	}
	expectTexts(t, both)
}

// expectTexts reads a stream to its end.
func expectTexts(t *testing.T, stream grpc.ServerStreamingClient[tckaction.Response], texts ...string) {
	t.Helper()
	for _, text := range texts {
		got, err := stream.Recv()
		has(t, text)(got.GetMessage(), err)
	}
	if m, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream does not end: %v, %v", m, err)
	}
}

// npm 0.0.3 answers a command that it does not know with an empty reply: a unary
// call has no answer then, which is an error for its client.
func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]sidecartest.Config{
		"function": {Spec: sidecartest.Dialect01},
		"action":   {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, c, sidecar.Config{})
			if got, err := tckaction.NewActionTckModelClient(p.conn).ProcessUnary(p.ctx, &tckaction.Request{}); err == nil {
				t.Errorf("a call without an answer succeeds with %v", got)
			}
		})
	}
}

// npm 0.0.3 never ends a stream that goes both ways: when the client lets go of
// it, so does the sidecar.
func TestClientLetsGoOfStream(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Spec: sidecartest.Dialect01, Misbehave: func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		if in == nil {
			<-ctx.Done()
		}
		return out, nil
	}}, sidecar.Config{})
	ctx, cancel := context.WithCancel(p.ctx)
	stream, err := tckaction.NewActionTckModelClient(p.conn).ProcessStreamed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(saying("A")); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	has(t, "A")(got.GetMessage(), err)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	call := p.Expect(t, sidecartest.FunctionStreamed).HalfClosed()
	cancel()
	call.Cancelled()
}

// A reply of another type than the method's is delivered, and the developer is
// told. Libraries that know no protobuf types do that.
func TestReplyOfAnotherType(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, sidecartest.Config{Misbehave: sidecartest.Once(changes, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
				text, err := proto.Marshal(&tckevents.Response{Message: "other"})
				return setPayload(out, &anypb.Any{TypeUrl: "type.googleapis.com/com.example.Other", Value: text}), err
			})}, sidecar.Config{})
			has(t, "other")(m.add(p, "it", "A"))
			report := p.ExpectReport(t)
			if !strings.HasPrefix(report, "Warning: ") || !strings.Contains(report, "com.example.Other") {
				t.Errorf("the report is %q", report)
			}
			has(t, "A")(m.read(p, "it"))
		})
	}
}

// Forwards and effects to what does not exist: the developer is told, and the
// call fails.
func TestForwardToNowhere(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Misbehave: sidecartest.Once(changes, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
		forward := &cloudstatepb.Forward{ServiceName: "com.example.Nowhere", CommandName: "Call", Payload: &anypb.Any{}}
		out[0].(*eventsourcedpb.EventSourcedStreamOut).GetReply().ClientAction = &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Forward{Forward: forward}}
		return out, nil
	})}, sidecar.Config{})
	if _, err := p.events("it", emit("A")); err == nil {
		t.Error("the call succeeds")
	}
	if report := p.ExpectReport(t); !strings.Contains(report, "com.example.Nowhere") {
		t.Errorf("the report is %q", report)
	}
	has(t, "A")(p.events("it")) // what it emitted was stored before
}

// Node's entities emit JSON and primitive values: they are kept and replayed as
// they are, whatever they are.
func TestEventsOfOtherKinds(t *testing.T) {
	t.Parallel()
	odd := []*anypb.Any{
		{TypeUrl: "json.cloudstate.io/Thing", Value: []byte("\x0a\x02{}")},
		{TypeUrl: "p.cloudstate.io/string", Value: []byte("\x0a\x01x")},
		{TypeUrl: "p.cloudstate.io/int64"}, // the default of Java
		{TypeUrl: "p.cloudstate.io/bytes", Value: []byte{0x0a, 0x02, 0x00, 0xff}},
		{TypeUrl: "", Value: []byte{0xff, 0xff}}, // no message at all
	}
	p := start(t, sidecartest.Config{Misbehave: func(_ context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		if changes(in) {
			reply := out[0].(*eventsourcedpb.EventSourcedStreamOut).GetReply()
			reply.Events, reply.Snapshot = odd, nil
		}
		return out, nil
	}}, sidecar.Config{})
	has(t, "A")(p.events("it", emit("A")))
	p.Function.Stop()
	p.Restart(t)
	p.Expect(t, sidecartest.EventSourced)
	eventually(t, func() error {
		// The model cannot read them, and says so: they have come.
		if _, err := p.events("it"); status.Convert(err).Message() != "Unexpected entity failure" {
			return fmt.Errorf("not yet: %w", err)
		}
		return nil
	})
	call := p.Expect(t, sidecartest.EventSourced)
	call.NextIn()
	for i, want := range odd {
		e := call.NextIn().(*eventsourcedpb.EventSourcedStreamIn).GetEvent()
		if e.GetSequence() != int64(i)+1 || !proto.Equal(e.GetPayload(), want) {
			t.Errorf("event %v, want %d: %v", e, i+1, want)
		}
		if i == 0 {
			break // the function ends the stream at the first that it cannot read
		}
	}
}

// Services without an id in their requests cannot be reached without one.
func TestEmptyID(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	for _, m := range models() {
		_, err := m.read(p, "")
		fails(t, err, codes.InvalidArgument, "")
	}
	p.Expect(t, sidecartest.Discover)
	p.ExpectNothing(t)
}

// An action gets the metadata of the call; of a stream, with the header.
func TestMetadataOfActions(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	ctx := metadata.AppendToOutgoingContext(p.ctx, "x-color", "red", "X-Color", "blue", "x-shape", "round")
	client := tckaction.NewActionTckModelClient(p.conn)
	colors := func(md *cloudstatepb.Metadata) (all []string) {
		for _, e := range md.GetEntries() {
			if e.GetKey() == "x-color" {
				all = append(all, e.GetStringValue())
			}
		}
		return all
	}
	if _, err := client.ProcessUnary(ctx, saying("A")); err != nil {
		t.Fatal(err)
	}
	c := p.Expect(t, sidecartest.ActionUnary).NextIn().(*actionpb.ActionCommand)
	if got := fmt.Sprint(colors(c.GetMetadata())); got != "[red blue]" {
		t.Errorf("the metadata are %v", c.GetMetadata())
	}
	stream, err := client.ProcessStreamed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(saying("A")); err != nil {
		t.Fatal(err)
	}
	call := p.Expect(t, sidecartest.ActionStreamed)
	if c := call.NextIn().(*actionpb.ActionCommand); fmt.Sprint(colors(c.GetMetadata())) != "[red blue]" {
		t.Errorf("the metadata of a stream are %v", c.GetMetadata())
	}
	if c := call.NextIn().(*actionpb.ActionCommand); c.GetMetadata() == nil || len(c.GetMetadata().GetEntries()) > 0 {
		t.Errorf("the metadata of its message are %v", c.GetMetadata())
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	call.Closed()
}

// Metadata of a reply become headers: texts, of the first reply only. Those that
// cannot be headers do not harm the call.
func TestMetadataOfReplies(t *testing.T) {
	t.Parallel()
	text := func(key, value string) *cloudstatepb.MetadataEntry {
		return &cloudstatepb.MetadataEntry{Key: key, Value: &cloudstatepb.MetadataEntry_StringValue{StringValue: value}}
	}
	md := &cloudstatepb.Metadata{Entries: []*cloudstatepb.MetadataEntry{
		text("x-color", "red"), text("X-Color", "blue"),
		{Key: "x-bytes", Value: &cloudstatepb.MetadataEntry_BytesValue{BytesValue: []byte("b")}},
		{Key: "x-none"},
		text("", "empty"), text("two words", "x"), text("x-line", "a\r\nevil: b"), text(":status", "500"), text("content-length", "1"),
		text("grpc-status", "13"), text("connection", "close"), text("transfer-encoding", "chunked"),
	}}
	p := start(t, sidecartest.Config{Misbehave: func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
		for i, m := range out {
			if i == 0 {
				m.(*actionpb.ActionResponse).GetReply().Metadata = md
			} else {
				m.(*actionpb.ActionResponse).GetReply().Metadata = &cloudstatepb.Metadata{Entries: []*cloudstatepb.MetadataEntry{text("x-late", "late")}}
			}
		}
		return out, nil
	}}, sidecar.Config{})
	stream, err := tckaction.NewActionTckModelClient(p.conn).ProcessStreamedOut(p.ctx, saying("A", "B"))
	if err != nil {
		t.Fatal(err)
	}
	expectTexts(t, stream, "A", "B")
	header, err := stream.Header()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(header.Get("x-color")); got != "[red blue]" {
		t.Errorf("the headers are %v", header)
	}
	for _, key := range []string{"x-bytes", "x-late", "evil"} {
		if v := header.Get(key); v != nil {
			t.Errorf("there is a header %s: %q", key, v)
		}
	}
}

// Events of the log carry who has emitted them.
func TestMetadataOfEvents(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	_, err := tcklog.NewEventSourcedEntityOneClient(p.conn).EmitEvent(p.ctx, &tcklog.EmitEventRequest{
		Id: "it", Event: &tcklog.EmitEventRequest_EventOne{EventOne: &tcklog.EventOne{Step: &tcklog.ProcessStep{Step: &tcklog.ProcessStep_Reply{Reply: &tcklog.Reply{Message: "A"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := p.Expect(t, sidecartest.ActionUnary).NextIn().(*actionpb.ActionCommand)
	got := map[string]string{}
	for _, e := range c.GetMetadata().GetEntries() {
		got[e.GetKey()] = e.GetStringValue()
	}
	for key, want := range map[string]string{
		"ce-source":      "eventlogeventing-one",
		"ce-specversion": "1.0",
		"ce-type":        "type.googleapis.com/cloudstate.tck.model.eventlogeventing.EventOne",
		"ce-subject":     "it",
		"Content-Type":   "application/vnd.cloudstate.protobuf.any",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	if got["ce-id"] == "" {
		t.Error("there is no ce-id")
	}
}
