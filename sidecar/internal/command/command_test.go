package command_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/command/internal/greeter"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

const source = `
syntax = "proto3";
package t;
import "google/protobuf/wrappers.proto";
service Greeter {
  rpc Greet(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Refuse(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Other(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Missing(google.protobuf.StringValue) returns (google.protobuf.StringValue);
}
`

func service(t testing.TB) *spec.Service {
	t.Helper()
	entities := []*cloudstatepb.Entity{spectest.Entity(spec.Action, "t.Greeter", "")}
	return spectest.Model(t, entities, spectest.File(t, "t.proto", source)).Service("t.Greeter")
}

func encode(t testing.TB, text string) []byte {
	t.Helper()
	b, err := proto.Marshal(wrapperspb.String(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, value []byte) string {
	t.Helper()
	m := &wrapperspb.StringValue{}
	if err := proto.Unmarshal(value, m); err != nil {
		t.Fatal(err)
	}
	return m.GetValue()
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	on := service(t).Method("Greet")
	bytes := rapid.SliceOfN(rapid.Byte(), 0, 20) // never nil: absence is not kept
	metadata := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command.Entry {
		e := command.Entry{Key: rapid.String().Draw(t, "key")}
		if e.Binary = rapid.Bool().Draw(t, "binary"); e.Binary {
			e.Bytes = bytes.Draw(t, "bytes")
		} else {
			e.Text = rapid.String().Draw(t, "text")
		}
		return e
	}), 0, 5)
	payload := rapid.Custom(func(t *rapid.T) command.Payload {
		url := rapid.OneOf(rapid.Just(on.InputURL()), rapid.StringN(1, 20, -1)).Draw(t, "url")
		return command.Payload{TypeURL: url, Value: bytes.Draw(t, "value")}
	})
	step := rapid.Custom(func(t *rapid.T) command.Step {
		return command.Step{Service: rapid.String().Draw(t, "service"), Method: rapid.String().Draw(t, "method"), Effect: rapid.Bool().Draw(t, "effect")}
	})
	rapid.Check(t, func(t *rapid.T) {
		c := &command.Command{On: on, Payload: payload.Draw(t, "payload"), Metadata: metadata.Draw(t, "metadata"), Trail: rapid.SliceOfN(step, 0, command.MaxSteps).Draw(t, "trail")}
		if rapid.Bool().Draw(t, "replied") {
			c.Reply = &command.Reply{Payload: payload.Draw(t, "reply"), Metadata: metadata.Draw(t, "reply metadata")}
		}
		got := &command.Command{On: on, Reply: &command.Reply{}}
		args, err := c.AppendArgs(nil)
		if err := errors.Join(err, got.DecodeArgs(args)); err != nil {
			t.Fatal(err)
		}
		results, err := c.AppendResults(nil)
		if err := errors.Join(err, got.DecodeResults(results)); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*command.Metadata{&c.Metadata, &replyOf(c).Metadata} { // none is nil
			if len(*m) == 0 {
				*m = nil
			}
		}
		if len(c.Trail) == 0 {
			c.Trail = nil
		}
		if !reflect.DeepEqual(c, got) {
			t.Fatalf("got %+v, want %+v", got, c)
		}
		if back := command.MetadataOf(c.Metadata.Proto()); !reflect.DeepEqual(back, c.Metadata) {
			t.Fatalf("metadata %+v has become %+v", c.Metadata, back)
		}
	})
}

func replyOf(c *command.Command) *command.Reply {
	if c.Reply == nil {
		return &command.Reply{}
	}
	return c.Reply
}

func TestTooManySteps(t *testing.T) {
	t.Parallel()
	c := &command.Command{On: service(t).Method("Greet"), Trail: make([]command.Step, command.MaxSteps+1)}
	args, err := c.AppendArgs(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DecodeArgs(args); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	m := command.Metadata{{Key: "Ce-Id", Bytes: []byte("b"), Binary: true}, {Key: "ce-ID", Text: "7"}, {Key: "ce-id", Text: "8"}}
	if text, ok := m.Get("CE-id"); text != "7" || !ok {
		t.Errorf("got %q, %v", text, ok)
	}
	if _, ok := m.Get("other"); ok {
		t.Error("found what is not there")
	}
	if p := (command.Metadata)(nil).Proto(); p == nil || len(p.GetEntries()) > 0 {
		t.Errorf("no metadata is %v", p)
	}
}

// A Go actor is called by a command, on the same node and from another one,
// with the network between them and without.
func TestCommandToGoActor(t *testing.T) {
	t.Parallel()
	s := service(t)
	malleetest.Each(t, []mallee.Type{greeter.GreeterType(greeter.New)}, func(t *testing.T, c *malleetest.Cluster) {
		for name, from := range map[string]mallee.Caller{"client": c.Client(), "node": c.Node(0)} {
			call := func(method, text string) (*command.Command, error) {
				c := &command.Command{On: s.Method(method)}
				if c.Payload.TypeURL = c.On.InputURL(); text != "" {
					c.Payload.Value = encode(t, text)
				}
				return c, from.Invoke(t.Context(), mallee.ID{Type: "t.Greeter", Key: "g"}, c)
			}
			got, err := call("Greet", "ann")
			if err != nil {
				t.Fatal(name, err)
			}
			if text := decode(t, got.Reply.Payload.Value); text != "hello ann" || got.Reply.Payload.TypeURL != got.On.OutputURL() {
				t.Errorf("%s: got %q in %+v", name, text, got.Reply)
			}
			if got, err := call("Greet", ""); err != nil || got.Reply != nil && len(got.Reply.Payload.Value) > 0 { // an empty message has no bytes
				t.Errorf("%s: got %+v, %v", name, got.Reply, err)
			}
			if _, err := call("Refuse", "no"); !errors.Is(err, mallee.NewError("greeter.refused", "")) {
				t.Errorf("%s: got %v", name, err)
			}
			for _, method := range []string{"Other", "Missing"} {
				if _, err := call(method, "x"); err == nil {
					t.Errorf("%s: %s was called", name, method)
				}
			}
			bad := &command.Command{On: s.Method("Greet"), Payload: command.Payload{Value: []byte{0xff}}}
			if err := from.Invoke(t.Context(), mallee.ID{Type: "t.Greeter", Key: "g"}, bad); !errors.Is(err, mallee.ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

// serving is an actor type whose calls are answered as commands.
func serving(s *spec.Service) mallee.Type {
	return mallee.Type{
		Name: s.Name, New: func(self *mallee.Self) any { return self }, Interfaces: []mallee.Interface{command.Interface(s)},
		IdleTimeout: mallee.DefaultIdleTimeout, MailboxSize: 10,
		Answer: func(_ context.Context, _ any, call mallee.Call) error {
			return command.Answer(call, s, func(c *command.Command) error {
				m := &wrapperspb.StringValue{}
				if err := proto.Unmarshal(c.Payload.Value, m); err != nil {
					return err
				}
				switch {
				case c.On.Name == "Refuse":
					return command.Failed(m.GetValue())
				case m.GetValue() == "":
					return nil
				}
				value, err := proto.Marshal(wrapperspb.String("hi " + m.GetValue()))
				c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL(), Value: value}}
				return err
			})
		},
	}
}

// What answers commands is called by the generated reference of a Go interface.
func TestGoReferenceToService(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, []mallee.Type{serving(service(t))}, func(t *testing.T, c *malleetest.Cluster) {
		for name, from := range map[string]mallee.Caller{"client": c.Client(), "node": c.Node(0)} {
			g := greeter.GreeterOf(from, "g")
			if got, err := g.Greet(t.Context(), wrapperspb.String("bob")); err != nil || got.GetValue() != "hi bob" {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
			if got, err := g.Greet(t.Context(), nil); err != nil || got != nil {
				t.Errorf("%s: got %v, %v for nothing", name, got, err)
			}
			_, err := g.Refuse(t.Context(), wrapperspb.String("go away"))
			if e := mallee.AsError(err); e == nil || e.Code != mallee.CodeUnknown || e.Message != "go away" {
				t.Errorf("%s: got %v", name, err)
			}
			if err := g.Other(t.Context(), 1); !errors.Is(err, mallee.ErrInvalid) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, []mallee.Type{serving(service(t))}, func(t *testing.T, c *malleetest.Cluster) {
		id := mallee.ID{Type: "t.Greeter", Key: "g"}
		for args, want := range map[string]string{`["eve"]`: `{"message":"hi eve"}`, `{"message":"eve"}`: `{"message":"hi eve"}`, `[""]`: `{"message":null}`} {
			got, err := c.Node(0).InvokeJSON(t.Context(), id, "", "Greet", []byte(args))
			if err != nil || string(got) != want {
				t.Errorf("%s: got %s, %v, want %s", args, got, err, want)
			}
		}
		for _, args := range []string{`[7]`, `[null]`, `[]`, `{"name":"eve"}`, `[`, `[{"value":"x"}]`} {
			got, err := c.Node(0).InvokeJSON(t.Context(), id, "", "Greet", []byte(args))
			if !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
				t.Errorf("%s: got %s, %v", args, got, err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	on := service(f).Method("Greet")
	full := &command.Command{
		On: on, Payload: command.Payload{Value: []byte("v"), TypeURL: "u"},
		Metadata: command.Metadata{{Key: "k", Text: "t"}, {Key: "b", Bytes: []byte{}, Binary: true}},
		Trail:    []command.Step{{Service: "s", Method: "m", Effect: true}},
		Reply:    &command.Reply{Metadata: command.Metadata{{Key: "k"}}},
	}
	for _, c := range []*command.Command{full, {On: on}} {
		args, err := c.AppendArgs(nil)
		if err != nil {
			f.Fatal(err)
		}
		results, err := c.AppendResults(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(args)
		f.Add(results)
	}
	f.Add([]byte{0x90})
	f.Add([]byte{0xc0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, codec := range map[string]struct {
			decode func(*command.Command, []byte) error
			encode func(*command.Command, []byte) ([]byte, error)
		}{
			"arguments": {(*command.Command).DecodeArgs, (*command.Command).AppendArgs},
			"results":   {(*command.Command).DecodeResults, (*command.Command).AppendResults},
		} {
			first, second := &command.Command{On: on}, &command.Command{On: on}
			if codec.decode(first, b) != nil {
				continue
			}
			again, err := codec.encode(first, nil)
			if err == nil {
				err = codec.decode(second, again)
			}
			if err != nil {
				t.Fatalf("%s: what was read cannot be written and read again: %v", name, err)
			}
			again2, err := codec.encode(second, nil)
			if err != nil || string(again) != string(again2) {
				t.Fatalf("%s: %x has become %x, %v", name, again, again2, err)
			}
		}
	})
}
