package sidecar_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// model is one of the two kinds of entities, as a cell that holds a text.
type model struct {
	name string
	// add lets the entity add to its text, and answers with all of it.
	add func(p *pair, id, text string) (string, error)
	// read answers with its text.
	read func(p *pair, id string) (string, error)
	// How the specification words what goes wrong.
	reply, failure, message, termination string
}

func models() []model {
	return []model{
		{
			name: "EventSourced",
			add:  func(p *pair, id, text string) (string, error) { return p.events(id, emit(text)) },
			read: func(p *pair, id string) (string, error) { return p.events(id) },

			reply: "Unexpected entity reply", failure: "Unexpected entity failure",
			message: "Unexpected entity message", termination: "Unexpected entity termination",
		},
		{
			name: "Value",
			add: func(p *pair, id, text string) (string, error) {
				before, err := p.value(id)
				if err != nil {
					return "", err
				}
				return p.value(id, update(before+text))
			},
			read: func(p *pair, id string) (string, error) { return p.value(id) },

			reply: "Unexpected Value entity reply", failure: "Unexpected Value entity failure",
			message: "Unexpected Value entity failure", termination: "Unexpected Value entity termination",
		},
	}
}

func (p *pair) events(id string, actions ...*tckevents.RequestAction) (string, error) {
	resp, err := tckevents.NewEventSourcedTckModelClient(p.conn).Process(p.ctx, &tckevents.Request{Id: id, Actions: actions})
	return resp.GetMessage(), err
}

func (p *pair) value(id string, actions ...*tckvalue.RequestAction) (string, error) {
	resp, err := tckvalue.NewValueEntityTckModelClient(p.conn).Process(p.ctx, &tckvalue.Request{Id: id, Actions: actions})
	return resp.GetMessage(), err
}

func emit(text string) *tckevents.RequestAction {
	return &tckevents.RequestAction{Action: &tckevents.RequestAction_Emit{Emit: &tckevents.Emit{Value: text}}}
}

func update(text string) *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Update{Update: &tckvalue.Update{Value: text}}}
}

// has checks what a call answers with.
func has(t *testing.T, want string) func(got string, err error) {
	t.Helper()
	return func(got string, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("a call answers %q, %v, want %q", got, err, want)
		}
	}
}

// command is the command that a message carries, of either kind; nil: none.
func command(in proto.Message) *cloudstatepb.Command {
	switch in := in.(type) {
	case *eventsourcedpb.EventSourcedStreamIn:
		return in.GetCommand()
	case *valueentitypb.ValueEntityStreamIn:
		return in.GetCommand()
	}
	return nil
}

// changes reports whether a message is a command that changes the entity's text.
func changes(in proto.Message) bool {
	var (
		events tckevents.Request
		value  tckvalue.Request
	)
	switch c := command(in); {
	case c.GetPayload().MessageIs(&events):
		return c.GetPayload().UnmarshalTo(&events) == nil && len(events.GetActions()) > 0
	case c.GetPayload().MessageIs(&value):
		return c.GetPayload().UnmarshalTo(&value) == nil && len(value.GetActions()) > 0
	}
	return false
}

// setID changes to which command the answers belong.
func setID(out []proto.Message, id func(int64) int64) []proto.Message {
	for _, m := range out {
		switch m := m.(type) {
		case *eventsourcedpb.EventSourcedStreamOut:
			m.GetReply().CommandId = id(m.GetReply().GetCommandId())
		case *valueentitypb.ValueEntityStreamOut:
			m.GetReply().CommandId = id(m.GetReply().GetCommandId())
		}
	}
	return out
}

// failure is one of the stream, not of a command. It is of the kind that in is
// of.
func failure(in proto.Message, id int64) []proto.Message {
	f := &cloudstatepb.Failure{CommandId: id, Description: "the developer's business"}
	if _, ok := in.(*valueentitypb.ValueEntityStreamIn); ok {
		return []proto.Message{&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Failure{Failure: f}}}
	}
	return []proto.Message{&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f}}}
}

func empty(in proto.Message) []proto.Message {
	if _, ok := in.(*valueentitypb.ValueEntityStreamIn); ok {
		return []proto.Message{&valueentitypb.ValueEntityStreamOut{}}
	}
	return []proto.Message{&eventsourcedpb.EventSourcedStreamOut{}}
}

// setPayload gives the replies another payload.
func setPayload(out []proto.Message, payload *anypb.Any) []proto.Message {
	for _, m := range out {
		switch m := m.(type) {
		case *eventsourcedpb.EventSourcedStreamOut:
			m.GetReply().GetClientAction().GetReply().Payload = payload
		case *valueentitypb.ValueEntityStreamOut:
			m.GetReply().GetClientAction().GetReply().Payload = payload
		}
	}
	return out
}

// A user function that breaks the protocol while it carries out a command: the
// caller gets the failure that the specification has for it, nothing of the
// command is kept, and the next command finds the entity as it was before.
func TestFunctionBreaksProtocol(t *testing.T) {
	t.Parallel()
	type breach struct {
		name string
		do   sidecartest.Misbehave
		text func(model) string
	}
	reply := func(m model) string { return m.reply }
	failed := func(m model) string { return m.failure }
	message := func(m model) string { return m.message }
	termination := func(m model) string { return m.termination }
	breaches := []breach{
		{"wrong id", func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
			return setID(out, func(int64) int64 { return 1000 }), nil
		}, reply},
		{"no id", func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
			return setID(out, func(int64) int64 { return 0 }), nil
		}, reply},
		{"id of the next", func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
			return setID(out, func(id int64) int64 { return id + 1 }), nil
		}, reply},
		{"id of the last", func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
			return setID(out, func(id int64) int64 { return id - 1 }), nil
		}, reply},
		{"failure", func(_ context.Context, in proto.Message, _ []proto.Message) ([]proto.Message, error) {
			return failure(in, 0), nil
		}, failed},
		// Node, of a command that it does not know.
		{"failure of the command", func(_ context.Context, in proto.Message, _ []proto.Message) ([]proto.Message, error) {
			return failure(in, command(in).GetId()), nil
		}, failed},
		// Node and Java, of an exception.
		{"failure, then the end", func(_ context.Context, in proto.Message, _ []proto.Message) ([]proto.Message, error) {
			return failure(in, command(in).GetId()), io.EOF
		}, failed},
		// Go, of whatever goes wrong.
		{"failure, then ABORTED", func(_ context.Context, in proto.Message, _ []proto.Message) ([]proto.Message, error) {
			return failure(in, 0), status.Error(codes.Aborted, "the developer's business")
		}, failed},
		{"empty message", func(_ context.Context, in proto.Message, _ []proto.Message) ([]proto.Message, error) {
			return empty(in), nil
		}, message},
		{"end", func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) {
			return nil, io.EOF
		}, termination},
		{"broken", func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) {
			return nil, errors.New("no")
		}, termination},
		{"100 MB", func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
			return setPayload(out, &anypb.Any{TypeUrl: "type.googleapis.com/much", Value: bytes.Repeat([]byte("x"), 100<<20)}), nil
		}, termination},
	}
	for _, m := range models() {
		for _, b := range breaches {
			t.Run(m.name+"/"+b.name, func(t *testing.T) {
				t.Parallel()
				second := sidecartest.Once(func(in proto.Message) bool {
					return changes(in) && bytes.Contains(command(in).GetPayload().GetValue(), []byte("lost"))
				}, b.do)
				p := start(t, sidecartest.Config{Misbehave: second}, sidecar.Config{})
				has(t, "A")(m.add(p, "it", "A"))
				_, err := m.add(p, "it", "lost")
				fails(t, err, codes.Unknown, b.text(m))
				has(t, "A")(m.read(p, "it"))
				has(t, "AB")(m.add(p, "it", "B"))
			})
		}
	}
}

// A function that never answers: the caller is told in time, and what is not
// answered is not kept.
func TestFunctionNeverAnswers(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			never := sidecartest.Once(changes, func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) { return nil, nil })
			p := start(t, sidecartest.Config{Misbehave: never}, sidecar.Config{RelayTimeout: 3 * time.Second})
			_, err := m.add(p, "it", "lost")
			fails(t, err, codes.DeadlineExceeded, "")
			has(t, "A")(m.add(p, "it", "A"))
			has(t, "A")(m.read(p, "it"))
		})
	}
}

// A function that answers twice: the second answer is nobody's. It may cost the
// next caller a failure, but nothing is kept twice.
func TestFunctionAnswersTwice(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			twice := sidecartest.Once(changes, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
				return append(out, out...), nil
			})
			p := start(t, sidecartest.Config{Misbehave: twice}, sidecar.Config{})
			has(t, "A")(m.add(p, "it", "A"))
			if got, err := m.read(p, "it"); err != nil {
				fails(t, err, codes.Unknown, m.reply)
			} else if got != "A" {
				t.Errorf("the entity answers %q, want A", got)
			}
			has(t, "A")(m.read(p, "it"))
			has(t, "AB")(m.add(p, "it", "B"))
		})
	}
}

// Events beside a failure: of one that does not ask for a restart they are in
// the function's memory and are kept; of one that does they are not.
func TestEventsWithFailure(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			p := start(t, sidecartest.Config{Misbehave: sidecartest.Once(changes, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
				reply := out[0].(*eventsourcedpb.EventSourcedStreamOut).GetReply()
				f := &cloudstatepb.Failure{CommandId: reply.GetCommandId(), Description: "no", Restart: restart}
				reply.ClientAction = &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{Failure: f}}
				return out, nil
			})}, sidecar.Config{})
			_, err := p.events("it", emit("A"))
			fails(t, err, codes.Unknown, "no")
			want := "A"
			if restart {
				want = ""
			}
			has(t, want)(p.events("it"))
			has(t, want+"B")(p.events("it", emit("B")))
		})
	}
}

// State actions that say nothing, or nothing to store.
func TestEmptyStateActions(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]*valueentitypb.ValueEntityAction{
		"empty":           {},
		"update to empty": {Action: &valueentitypb.ValueEntityAction_Update{Update: &valueentitypb.ValueEntityUpdate{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, sidecartest.Config{Misbehave: sidecartest.Once(func(in proto.Message) bool {
				return bytes.Contains(command(in).GetPayload().GetValue(), []byte("lost"))
			}, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
				out[0].(*valueentitypb.ValueEntityStreamOut).GetReply().StateAction = action
				return out, nil
			})}, sidecar.Config{})
			has(t, "A")(p.value("it", update("A")))
			if _, err := p.value("it", update("lost")); err == nil {
				t.Error("the call succeeds")
			}
			has(t, "A")(p.value("it"))
		})
	}
}

// The process of the user function dies in the middle of a command, and comes
// back.
func TestFunctionDiesInCommand(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var p *pair
			dies := sidecartest.Once(func(in proto.Message) bool {
				return bytes.Contains(command(in).GetPayload().GetValue(), []byte("lost"))
			},
				func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) {
					p.Function.Stop()
					return nil, nil
				})
			f := sidecartest.Start(t, sidecartest.Config{Misbehave: dies})
			side := serve(t, f.Addr(), sidecar.Config{})
			p = &pair{t, f, side, connect(t, side.Addr()), patience(t)}
			has(t, "A")(m.add(p, "it", "A"))
			_, err := m.add(p, "it", "lost")
			fails(t, err, codes.Unknown, m.termination)
			f.Restart(t)
			eventually(t, func() error { _, err := m.read(p, "it"); return err })
			has(t, "A")(m.read(p, "it"))
			has(t, "AB")(m.add(p, "it", "B"))
		})
	}
}

// It dies in the middle of a replay.
func TestFunctionDiesInReplay(t *testing.T) {
	t.Parallel()
	second := func(in proto.Message) bool {
		m, ok := in.(*eventsourcedpb.EventSourcedStreamIn)
		return ok && m.GetEvent().GetSequence() == 2
	}
	died := make(chan struct{})
	var f *sidecartest.Function
	f = sidecartest.Start(t, sidecartest.Config{Misbehave: sidecartest.Once(second, func(context.Context, proto.Message, []proto.Message) ([]proto.Message, error) {
		f.Stop()
		close(died)
		return nil, nil
	})})
	side := serve(t, f.Addr(), sidecar.Config{})
	p := &pair{t, f, side, connect(t, side.Addr()), patience(t)}
	for _, text := range []string{"A", "B", "C"} {
		if _, err := p.events("it", emit(text)); err != nil {
			t.Fatal(err)
		}
	}
	f.Stop()
	f.Restart(t)
	// The first call may find that the old stream has broken; one of them begins
	// to replay, and the function dies again.
	eventually(t, func() error {
		p.events("it")
		select {
		case <-died:
			return nil
		default:
			return errors.New("the function did not get the events again")
		}
	})
	f.Restart(t)
	eventually(t, func() error { _, err := p.events("it"); return err })
	has(t, "ABC")(p.events("it"))
	has(t, "ABCD")(p.events("it", emit("D")))
}
