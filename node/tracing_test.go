package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// hopCall goes from actor to actor: Left and Right are types of two nodes.
type hopCall struct{ path string }

func (*hopCall) Interface() string       { return "Hop" }
func (*hopCall) Method() string          { return "Hop" }
func (*hopCall) Flags() mallee.CallFlags { return 0 }
func (c *hopCall) Run(ctx context.Context, target any) error {
	return target.(*hopper).hop(ctx, c.path)
}
func (*hopCall) Args() any                              { return nil }
func (*hopCall) Results() any                           { return nil }
func (*hopCall) CopyArgs() error                        { return nil }
func (*hopCall) CopyResults() error                     { return nil }
func (c *hopCall) AppendArgs(b []byte) ([]byte, error)  { return append(b, c.path...), nil }
func (c *hopCall) DecodeArgs(b []byte) error            { c.path = string(b); return nil }
func (*hopCall) AppendResults(b []byte) ([]byte, error) { return b, nil }
func (*hopCall) DecodeResults([]byte) error             { return nil }

type hopper struct{ self *mallee.Self }

var errEndOfPath = mallee.NewError("test.end", "the path ends here")

type secret struct{}

func (h *hopper) hop(ctx context.Context, path string) error {
	h.self.Log().InfoContext(ctx, "hop", "path", path)
	if ctx.Value(secret{}) != nil {
		return errors.New("a value of the caller has travelled")
	}
	next, rest, _ := strings.Cut(path, " ")
	switch next {
	case "":
		return nil
	case "fail":
		return errEndOfPath
	case "panic":
		panic("as told")
	}
	return h.self.Invoke(ctx, mallee.ID{Type: next, Key: "x"}, &hopCall{path: rest})
}

func hopperType(name string) mallee.Type {
	hop := mallee.Method{Name: "Hop", New: func() mallee.Call { return &hopCall{} }}
	t := mallee.NewType(mallee.Interface{Name: "Hop", Methods: []mallee.Method{hop}}, func(self *mallee.Self) any { return &hopper{self} })
	t.Name = name
	return t
}

// traced is a cluster of two nodes, one of Left and one of Right, and what
// they have written.
type traced struct {
	left  *node.Node
	spans *tracetest.SpanRecorder
	log   bytes.Buffer
}

func startTraced(t *testing.T, keys bool) *traced {
	t.Helper()
	c := &traced{spans: tracetest.NewSpanRecorder()}
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(c.spans))
	cluster, store, network := placement.Memory(time.Minute), storage.Memory(), transport.NewMemory()
	log := slog.New(slog.NewJSONHandler(&c.log, nil))
	for _, name := range []string{"Left", "Right"} {
		n, err := node.Start(t.Context(), node.Config{
			Name: name, Types: []mallee.Type{hopperType(name)}, Placement: cluster, Store: store, Network: network, Log: log, Tracing: provider, TraceKeys: keys,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, n) })
		if name == "Left" {
			c.left = n
		}
	}
	return c
}

func (c *traced) call(t *testing.T, path string) error {
	t.Helper()
	ctx := context.WithValue(t.Context(), secret{}, "not to be told")
	return c.left.Invoke(ctx, mallee.ID{Type: "Left", Key: "x"}, &hopCall{path: path})
}

// tree writes each span of the one trace below its parent.
func (c *traced) tree(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	var write func(parent trace.SpanID, depth string)
	var id trace.TraceID
	write = func(parent trace.SpanID, depth string) {
		for _, s := range c.spans.Ended() {
			if s.Parent().SpanID() != parent {
				continue
			}
			if id.IsValid() && id != s.SpanContext().TraceID() {
				t.Errorf("a second trace: %s", s.Name())
			}
			id = s.SpanContext().TraceID()
			b.WriteString(depth + s.SpanKind().String() + " " + s.Name() + " on " + value(s, "mallee.node"))
			if s.Status().Code == codes.Error {
				b.WriteString(": " + s.Status().Description)
			}
			b.WriteString("\n")
			write(s.SpanContext().SpanID(), depth+"  ")
		}
	}
	write(trace.SpanID{}, "")
	return b.String()
}

func value(s sdk.ReadOnlySpan, key attribute.Key) string {
	for _, a := range s.Attributes() {
		if a.Key == key {
			return a.Value.Emit()
		}
	}
	return ""
}

// Left calls Right on the other node, and Right calls Left back.
func TestOneTraceAcrossNodes(t *testing.T) {
	t.Parallel()
	c := startTraced(t, false)
	if err := c.call(t, "Right Left"); err != nil {
		t.Fatal(err)
	}
	want := `client Left.Hop on Left
  server Left.Hop on Left
    client Right.Hop on Left
      server Right.Hop on Right
        client Left.Hop on Right
          server Left.Hop on Left
`
	if got := c.tree(t); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	for _, s := range c.spans.Ended() {
		if value(s, "mallee.actor.key") != "" || value(s, "mallee.method") != "Hop" {
			t.Errorf("attributes %v", s.Attributes())
		}
		if turn := s.SpanKind() == trace.SpanKindServer; turn != (value(s, "mallee.epoch") != "") {
			t.Errorf("epoch %q of a %s", value(s, "mallee.epoch"), s.SpanKind())
		}
	}
}

// A call within the node of its caller has the span of its turn alone.
func TestSpansOfLocalCalls(t *testing.T) {
	t.Parallel()
	c := startTraced(t, true)
	if err := c.call(t, "Left"); err != nil {
		t.Fatal(err)
	}
	want := "client Left.Hop on Left\n  server Left.Hop on Left\n    server Left.Hop on Left\n"
	if got := c.tree(t); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	for _, s := range c.spans.Ended() {
		if value(s, "mallee.actor.key") != "x" {
			t.Errorf("attributes %v", s.Attributes())
		}
	}
}

func TestSpansRecordErrors(t *testing.T) {
	t.Parallel()
	for path, code := range map[string]string{"fail": "test.end", "panic": "panic"} {
		c := startTraced(t, false)
		if err := c.call(t, "Right "+path); string(mallee.AsError(err).Code) != code {
			t.Fatalf("%s: %v", path, err)
		}
		want := "client Left.Hop on Left: " + code + "\n  server Left.Hop on Left: " + code + "\n    client Right.Hop on Left: " + code +
			"\n      server Right.Hop on Right: " + code + "\n"
		if got := c.tree(t); got != want {
			t.Errorf("got:\n%swant:\n%s", got, want)
		}
	}
}

func TestLinesOfTurnsCarryTheTrace(t *testing.T) {
	t.Parallel()
	c := startTraced(t, false)
	if err := c.call(t, "Right"); err != nil {
		t.Fatal(err)
	}
	spans := make(map[string]string) // of turns, by their number in the trace
	for _, s := range c.spans.Ended() {
		if s.SpanKind() == trace.SpanKindServer {
			spans[s.SpanContext().SpanID().String()] = s.SpanContext().TraceID().String()
		}
	}
	hops := 0
	for line := range strings.Lines(c.log.String()) {
		var said struct {
			Msg     string
			TraceID string `json:"trace_id"`
			SpanID  string `json:"span_id"`
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if said.Msg != "hop" {
			continue
		}
		hops++
		if id, ok := spans[said.SpanID]; !ok || id != said.TraceID {
			t.Errorf("no turn has the trace of %s", line)
		}
	}
	if hops != 2 {
		t.Errorf("%d lines", hops)
	}
}
