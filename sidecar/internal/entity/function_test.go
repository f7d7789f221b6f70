package entity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
)

// script is what a command tells the user function of these tests to do. Its
// state is a list of texts; each answer is the list.
type script struct {
	Emit     []string `json:",omitempty"` // events; each is added to the list
	Snapshot bool     `json:",omitempty"`
	Put      string   `json:",omitempty"` // value: the list is this one text
	Delete   bool     `json:",omitempty"`
	Effects  []target `json:",omitempty"`
	Forward  *target  `json:",omitempty"`
	Fail     string   `json:",omitempty"`
	Restart  bool     `json:",omitempty"`
	Break    string   `json:",omitempty"` // a rule; see the function's misbehave
}

// target is of a forward or an effect.
type target struct {
	To   string
	Sync bool `json:",omitempty"`
}

func (s script) String() string {
	b, _ := json.Marshal(s)
	return string(b)
}

// function is the user function of these tests.
type function struct {
	eventsourcedpb.UnimplementedEventSourcedServer
	valueentitypb.UnimplementedValueEntityServer
	conn   *grpc.ClientConn
	server *grpc.Server
	silent chan struct{} // closed at the end of the test: what is silent may end
	served chan struct{} // closed when the server has ended

	forgets bool // what has come over the streams

	mu      sync.Mutex
	open    int        // streams now
	most    int        // that were open at a time
	streams [][]string // what has come over each stream, as text
	die     string     // an event at which the function dies when it is replayed
}

func startFunction(t testing.TB) *function {
	f := &function{server: grpc.NewServer(), silent: make(chan struct{}), served: make(chan struct{})}
	eventsourcedpb.RegisterEventSourcedServer(f.server, eventSourcedServer{f: f})
	valueentitypb.RegisterValueEntityServer(f.server, valueServer{f: f})
	listener := bufconn.Listen(1 << 16)
	go func() { defer close(f.served); _ = f.server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///function",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	f.conn = conn
	return f
}

func (f *function) close() {
	close(f.silent)
	_ = f.conn.Close()
	f.server.Stop()
	<-f.served
}

// opened notes a stream and what comes over it.
func (f *function) opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams = append(f.streams, nil)
	f.open++
	f.most = max(f.most, f.open)
	return len(f.streams) - 1
}

func (f *function) closed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
}

func (f *function) note(stream int, what string) {
	if f.forgets {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams[stream] = append(f.streams[stream], what)
}

// seen is what has come over all streams.
func (f *function) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, s := range f.streams {
		all = append(all, strings.Join(s, " "))
	}
	return all
}

func (f *function) dieAt(event string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.die = event
}

func (f *function) dies(event string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.die != "" && f.die == event
}

func text(s string) *anypb.Any {
	return &anypb.Any{TypeUrl: "json.cloudstate.io/text", Value: []byte(s)}
}

func list(state []string) string { return strings.Join(state, ",") }

func fromList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

var errDied = errors.New("the function has died")

// exchange is one stream, of either kind.
type exchange interface {
	answer(id int64, action *cloudstatepb.ClientAction, s script, state []string) error
	failure(id int64, text string) error
	empty() error
}

// command carries out a script and answers.
func (f *function) command(x exchange, c *cloudstatepb.Command, state *[]string) error {
	var s script
	if err := json.Unmarshal(c.Payload.Value, &s); err != nil {
		return x.failure(c.Id, err.Error())
	}
	*state = append(*state, s.Emit...)
	switch {
	case s.Put != "":
		*state = []string{s.Put}
	case s.Delete:
		*state = nil
	}
	if s.Break != "" {
		return f.misbehave(x, c.Id, s, *state)
	}
	return x.answer(c.Id, action(s, *state), s, *state)
}

func action(s script, state []string) *cloudstatepb.ClientAction {
	switch {
	case s.Fail != "":
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{Failure: &cloudstatepb.Failure{Description: s.Fail, Restart: s.Restart}}}
	case s.Forward != nil:
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Forward{Forward: &cloudstatepb.Forward{
			ServiceName: "test.Target", CommandName: s.Forward.To, Payload: text(s.Forward.To)}}}
	}
	return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: &cloudstatepb.Reply{Payload: text(list(state))}}}
}

func effects(s script) (all []*cloudstatepb.SideEffect) {
	for _, e := range s.Effects {
		all = append(all, &cloudstatepb.SideEffect{ServiceName: "test.Target", CommandName: e.To, Payload: text(e.To), Synchronous: e.Sync})
	}
	return all
}

// misbehave breaks a rule of the protocol.
func (f *function) misbehave(x exchange, id int64, s script, state []string) error {
	switch s.Break {
	case "wrong id":
		return x.answer(id+1, action(s, state), s, state)
	case "twice":
		if err := x.answer(id, action(s, state), s, state); err != nil {
			return err
		}
		return x.answer(id, action(s, state), s, state)
	case "out of order":
		return x.answer(id-1, action(s, state), s, state)
	case "never":
		<-f.silent
		return errDied
	case "die":
		return errDied
	case "end":
		if err := x.answer(id, action(s, state), s, state); err != nil {
			return err
		}
		return errDied
	case "failure":
		return x.failure(id, "what went wrong")
	case "failure and end":
		if err := x.failure(0, "what went wrong"); err != nil {
			return err
		}
		return errDied
	case "empty":
		return x.empty()
	case "no action":
		return x.answer(id, nil, s, state)
	case "huge":
		return x.answer(id, action(script{Fail: strings.Repeat("x", 100<<20)}, state), s, state)
	}
	panic(s.Break)
}

type eventSourcedServer struct {
	eventsourcedpb.UnimplementedEventSourcedServer
	f *function
}

func (v eventSourcedServer) Handle(rpc eventsourcedpb.EventSourced_HandleServer) error {
	stream, f := v.f.opened(), v.f
	defer f.closed()
	var state []string
	for {
		in, err := rpc.Recv()
		if err != nil {
			f.note(stream, "end")
			return nil
		}
		switch m := in.Message.(type) {
		case *eventsourcedpb.EventSourcedStreamIn_Init:
			note := "init"
			if s := m.Init.Snapshot; s != nil {
				note += "(" + string(s.Snapshot.Value) + ")"
				state = fromList(string(s.Snapshot.Value))
			}
			f.note(stream, note)
		case *eventsourcedpb.EventSourcedStreamIn_Event:
			event := string(m.Event.Payload.Value)
			f.note(stream, event)
			switch {
			case f.dies(event):
				return errDied
			case f.dies("read nothing more"):
				<-f.silent
				return errDied
			}
			if state = append(state, event); int(m.Event.Sequence) != len(state) {
				panic("events are out of order")
			}
		case *eventsourcedpb.EventSourcedStreamIn_Command:
			f.note(stream, fmt.Sprint("#", m.Command.Id))
			if err := f.command(eventSourcedExchange{rpc}, m.Command, &state); err != nil {
				return err
			}
		}
	}
}

type eventSourcedExchange struct {
	rpc eventsourcedpb.EventSourced_HandleServer
}

func (x eventSourcedExchange) answer(id int64, action *cloudstatepb.ClientAction, s script, state []string) error {
	reply := &eventsourcedpb.EventSourcedReply{CommandId: id, ClientAction: action, SideEffects: effects(s)}
	for _, event := range s.Emit {
		reply.Events = append(reply.Events, text(event))
	}
	if s.Snapshot {
		reply.Snapshot = text(list(slices.Clone(state)))
	}
	return x.rpc.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: reply}})
}

func (x eventSourcedExchange) failure(id int64, text string) error {
	return x.rpc.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: &cloudstatepb.Failure{CommandId: id, Description: text}}})
}

func (x eventSourcedExchange) empty() error {
	return x.rpc.Send(&eventsourcedpb.EventSourcedStreamOut{})
}

type valueServer struct {
	valueentitypb.UnimplementedValueEntityServer
	f *function
}

func (v valueServer) Handle(rpc valueentitypb.ValueEntity_HandleServer) error {
	stream, f := v.f.opened(), v.f
	defer f.closed()
	var state []string
	for {
		in, err := rpc.Recv()
		if err != nil {
			f.note(stream, "end")
			return nil
		}
		switch m := in.Message.(type) {
		case *valueentitypb.ValueEntityStreamIn_Init:
			note := "init"
			if v := m.Init.State.GetValue(); v != nil {
				note += "(" + string(v.Value) + ")"
				state = fromList(string(v.Value))
			}
			if m.Init.State == nil {
				note = "init without state"
			}
			f.note(stream, note)
		case *valueentitypb.ValueEntityStreamIn_Command:
			f.note(stream, fmt.Sprint("#", m.Command.Id))
			if err := f.command(valueExchange{rpc}, m.Command, &state); err != nil {
				return err
			}
		}
	}
}

type valueExchange struct {
	rpc valueentitypb.ValueEntity_HandleServer
}

func (x valueExchange) answer(id int64, action *cloudstatepb.ClientAction, s script, state []string) error {
	reply := &valueentitypb.ValueEntityReply{CommandId: id, ClientAction: action, SideEffects: effects(s)}
	switch {
	case s.Put == "-": // with nothing in it
		reply.StateAction = &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{Update: &valueentitypb.ValueEntityUpdate{}}}
	case s.Put == "?": // nothing at all
		reply.StateAction = &valueentitypb.ValueEntityAction{}
	case s.Put != "":
		reply.StateAction = &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{Update: &valueentitypb.ValueEntityUpdate{Value: text(list(state))}}}
	case s.Delete:
		reply.StateAction = &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Delete{Delete: &valueentitypb.ValueEntityDelete{}}}
	}
	return x.rpc.Send(&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: reply}})
}

func (x valueExchange) failure(id int64, text string) error {
	return x.rpc.Send(&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Failure{Failure: &cloudstatepb.Failure{CommandId: id, Description: text}}})
}

func (x valueExchange) empty() error { return x.rpc.Send(&valueentitypb.ValueEntityStreamOut{}) }
