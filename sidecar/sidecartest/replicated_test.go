package sidecartest_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// replica begins a stream of a replicated entity.
func replica(t *testing.T, f *sidecartest.Function, messages ...proto.Message) grpc.ClientStream {
	t.Helper()
	stream, err := dial(t, f.Addr()).NewStream(patience(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, sidecartest.CRDT, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := stream.SendMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	return stream
}

// aborts expects that the user function tells what is wrong, and ends the stream.
func aborts(t *testing.T, stream grpc.ClientStream) {
	t.Helper()
	for {
		var out crdtpb.CrdtStreamOut
		err := stream.RecvMsg(&out)
		if status.Code(err) == codes.Aborted {
			t.Log(err)
			return
		}
		if err != nil {
			t.Fatalf("the stream ends with %v", err)
		}
	}
}

func initial(id string, d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	init := &crdtpb.CrdtInit{ServiceName: "cloudstate.tck.model.crdt.CrdtTckModel", EntityId: id, Delta: d}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: init}}
}

func delta(d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: d}}
}

func increment(n uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: n}}}
}

func text(t *testing.T, text string) *anypb.Any {
	t.Helper()
	value, err := proto.Marshal(&tckcrdt.GSetUpdate{Add: text}) // a message with a text in field 1, as texts are encoded
	if err != nil {
		t.Fatal(err)
	}
	return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: value}
}

func ask(t *testing.T, n int64, name string, streamed bool, req proto.Message) *crdtpb.CrdtStreamIn {
	t.Helper()
	payload, err := anypb.New(req)
	if err != nil {
		t.Fatal(err)
	}
	c := &cloudstatepb.Command{EntityId: "GCounter-1", Id: n, Name: name, Payload: payload, Streamed: streamed}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: c}}
}

func process(t *testing.T, n int64) *crdtpb.CrdtStreamIn {
	t.Helper()
	return ask(t, n, "Process", false, &tckcrdt.Request{Id: "GCounter-1"})
}

func watch(t *testing.T, n int64) *crdtpb.CrdtStreamIn {
	t.Helper()
	return ask(t, n, "ProcessStreamed", true, &tckcrdt.StreamedRequest{Id: "GCounter-1"})
}

func cancelled(n int64) *crdtpb.CrdtStreamIn {
	c := &cloudstatepb.StreamCancelled{EntityId: "GCounter-1", Id: n}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: c}}
}

// What a sidecar must not send to replicated entities, after the init and at any
// time.
func TestReplicaIsStrict(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	deleted := &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}}
	for name, messages := range map[string][]proto.Message{
		"second init":                  {initial("GCounter-1", nil)},
		"empty message":                {&crdtpb.CrdtStreamIn{}},
		"empty delta":                  {delta(&crdtpb.CrdtDelta{})},
		"delta of another type":        {delta(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: true}}})},
		"id that is not the next":      {process(t, 2)},
		"command that is streamed":     {ask(t, 1, "Process", true, &tckcrdt.Request{Id: "GCounter-1"})},
		"command that is not streamed": {ask(t, 1, "ProcessStreamed", false, &tckcrdt.StreamedRequest{Id: "GCounter-1"})},
		"unknown command":              {ask(t, 1, "Call", false, &tckcrdt.Request{Id: "GCounter-1"})},
		"cancel of no command":         {cancelled(1)},
		"delta after a deletion":       {deleted, delta(increment(1))},
		"command after a deletion":     {deleted, process(t, 1)},
		"second deletion":              {deleted, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aborts(t, replica(t, f, append([]proto.Message{initial("GCounter-1", nil)}, messages...)...))
		})
	}
	for name, m := range map[string]proto.Message{
		"delta before the init":     delta(increment(1)),
		"command before the init":   process(t, 1),
		"deletion before the init":  deleted,
		"init of another type":      initial("GCounter-1", &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{}}}),
		"init of an unknown type":   initial("nothing", nil),
		"init without an entity id": initial("", nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aborts(t, replica(t, f, m))
		})
	}
}

// Changes that do not fit what the user function has.
func TestReplicaKnowsItsValue(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	a, b := text(t, "a"), text(t, "b")
	set := func(d *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
	}
	grown := func(all ...*anypb.Any) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: all}}}
	}
	table := func(d *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: d}}
	}
	counter := []*crdtpb.ORMapEntryDelta{{Key: text(t, "GCounter-1"), Delta: increment(1)}}
	register := func(d *crdtpb.LWWRegisterDelta) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: d}}
	}
	for name, c := range map[string]struct {
		id          string
		first, next *crdtpb.CrdtDelta
	}{
		"element that is there":     {"GSet-1", grown(a), grown(b, a)},
		"element that is no text":   {"GSet-1", grown(a), grown(&anypb.Any{TypeUrl: "p.cloudstate.io/int64"})},
		"ORSet: is there":           {"ORSet-1", set(&crdtpb.ORSetDelta{Added: []*anypb.Any{a}}), set(&crdtpb.ORSetDelta{Added: []*anypb.Any{a}})},
		"ORSet: is not there":       {"ORSet-1", set(&crdtpb.ORSetDelta{Added: []*anypb.Any{a}}), set(&crdtpb.ORSetDelta{Removed: []*anypb.Any{b}})},
		"register with a clock":     {"LWWRegister-1", register(&crdtpb.LWWRegisterDelta{Value: a}), register(&crdtpb.LWWRegisterDelta{Value: a, Clock: crdtpb.CrdtClock_CUSTOM})},
		"register without a value":  {"LWWRegister-1", register(&crdtpb.LWWRegisterDelta{Value: a}), register(&crdtpb.LWWRegisterDelta{})},
		"entry that is there":       {"ORMap-1", table(&crdtpb.ORMapDelta{Added: counter}), table(&crdtpb.ORMapDelta{Added: counter})},
		"entry that is not there":   {"ORMap-1", table(&crdtpb.ORMapDelta{}), table(&crdtpb.ORMapDelta{Updated: counter})},
		"key that is not there":     {"ORMap-1", table(&crdtpb.ORMapDelta{Added: counter}), table(&crdtpb.ORMapDelta{Removed: []*anypb.Any{a}})},
		"entry of another type":     {"ORMap-1", table(&crdtpb.ORMapDelta{Added: counter}), table(&crdtpb.ORMapDelta{Updated: []*crdtpb.ORMapEntryDelta{{Key: counter[0].GetKey(), Delta: grown(a)}}})},
		"entry of no type":          {"ORMap-1", table(&crdtpb.ORMapDelta{}), table(&crdtpb.ORMapDelta{Added: []*crdtpb.ORMapEntryDelta{{Key: a, Delta: grown(a)}}})},
		"entry that changes itself": {"ORMap-1", table(&crdtpb.ORMapDelta{Added: counter}), table(&crdtpb.ORMapDelta{Updated: []*crdtpb.ORMapEntryDelta{{Key: counter[0].GetKey(), Delta: &crdtpb.CrdtDelta{}}}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aborts(t, replica(t, f, initial(c.id, c.first), delta(c.next)))
		})
	}
}

// It is not the sidecar's turn while something is not answered: neither deltas
// nor a second end of a stream may come then.
func TestReplicaTakesTurns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		held     proto.Message   // is not answered before all others are there
		messages []proto.Message // in their order; held is among them
	}{
		"delta before a reply":          {process(t, 1), []proto.Message{process(t, 1), delta(increment(1)), process(t, 2)}},
		"delta before the last reply":   {process(t, 2), []proto.Message{process(t, 1), process(t, 2), delta(increment(1)), process(t, 3)}},
		"delta before a cancel is done": {cancelled(1), []proto.Message{watch(t, 1), cancelled(1), delta(increment(1)), process(t, 2)}},
		"cancel before the first reply": {watch(t, 1), []proto.Message{watch(t, 1), cancelled(1), process(t, 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there := make(chan struct{})
			f := sidecartest.Start(t, sidecartest.Config{Misbehave: func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
				if in == nil || !proto.Equal(in, c.held) {
					return out, nil
				}
				select {
				case <-there:
				case <-ctx.Done():
				}
				return out, nil
			}})
			stream := replica(t, f, initial("GCounter-1", nil))
			call := f.Expect(t, sidecartest.CRDT).In(initial("GCounter-1", nil))
			for _, m := range c.messages {
				if err := stream.SendMsg(m); err != nil {
					t.Fatal(err)
				}
				call.In(m)
				if proto.Equal(c.held, cancelled(1)) && m == c.messages[0] {
					call.NextOut() // a stream is cancelled after its first reply
				}
			}
			close(there)
			aborts(t, stream)
		})
	}
	t.Run("second cancel", func(t *testing.T) {
		t.Parallel()
		f := sidecartest.Start(t, sidecartest.Config{})
		stream := replica(t, f, initial("GCounter-1", nil), watch(t, 1))
		if err := stream.RecvMsg(&crdtpb.CrdtStreamOut{}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := stream.SendMsg(cancelled(1)); err != nil {
				t.Fatal(err)
			}
		}
		aborts(t, stream)
	})
}

// A stream that has ended by itself may be cancelled by a sidecar that does not
// know that yet.
func TestReplicaCancelCrossesEnd(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	end := &tckcrdt.State{Value: &tckcrdt.State_Gcounter{Gcounter: &tckcrdt.GCounterValue{Value: 1}}}
	watch := ask(t, 1, "ProcessStreamed", true, &tckcrdt.StreamedRequest{Id: "GCounter-1", EndState: end})
	stream := replica(t, f, initial("GCounter-1", nil), watch)
	call := f.Expect(t, sidecartest.CRDT)
	call.NextOut()
	send := func(all ...proto.Message) {
		for _, m := range all {
			if err := stream.SendMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(delta(increment(1)))
	if m := call.NextOut().(*crdtpb.CrdtStreamOut).GetStreamedMessage(); !m.GetEndStream() {
		t.Errorf("the stream does not end: %v", m)
	}
	send(cancelled(1), delta(increment(1)), process(t, 2))
	if r := call.NextOut().(*crdtpb.CrdtStreamOut).GetReply(); r.GetCommandId() != 2 {
		t.Errorf("the cancel is answered with %v", r)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	call.Closed()
}

// What protocol 0.1 forbids.
func TestReplica01IsStrict(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{Spec: sidecartest.Dialect01})
	if _, err := cloudstatepb.NewEntityDiscoveryClient(dial(t, f.Addr())).Discover(patience(t), &cloudstatepb.ProxyInfo{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	value := &v01.CrdtState{State: &v01.CrdtState_Gcounter{Gcounter: &v01.GCounterState{Value: 1}}}
	init := func(s *v01.CrdtState) proto.Message {
		i := &v01.CrdtInit{ServiceName: "cloudstate.tck.model.crdt.CrdtTckModel", EntityId: "GCounter-1", State: s}
		return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Init{Init: i}}
	}
	state := &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_State{State: value}}
	change := &v01.CrdtDelta{Delta: &v01.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: 1}}}
	changed := &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Changed{Changed: change}}
	for name, messages := range map[string][]proto.Message{
		"change of nothing":   {init(nil), changed},
		"second state":        {init(nil), state, state},
		"state after an init": {init(value), state},
		"before the init":     {state},
		"empty message":       {init(nil), &v01.CrdtStreamIn{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aborts(t, replica(t, f, messages...))
		})
	}
}
