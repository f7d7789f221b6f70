package node

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// tracing makes the spans of a node: one of the caller for a call from outside
// of actors or to another node, and one for each turn of a call.
//
// Of a caller's context only the span goes on with the call, so that with
// tracing no more values travel than without.
type tracing struct {
	tracer trace.Tracer
	node   string
	keys   bool
}

// newTracing is nil where nothing is traced.
func newTracing(c *Config) *tracing {
	if c.Tracing == nil {
		return nil
	}
	return &tracing{tracer: c.Tracing.Tracer("github.com/mallee-io/mallee/node"), node: c.Name, keys: c.TraceKeys}
}

// Attributes of spans.
const (
	attributeType   = attribute.Key("mallee.actor.type")
	attributeKey    = attribute.Key("mallee.actor.key")
	attributeMethod = attribute.Key("mallee.method")
	attributeNode   = attribute.Key("mallee.node")  // that made the span
	attributeOwner  = attribute.Key("mallee.owner") // ID of the node that was called
	attributeEpoch  = attribute.Key("mallee.epoch")
)

func (t *tracing) start(ctx context.Context, kind trace.SpanKind, id mallee.ID, call mallee.Call, more ...attribute.KeyValue) trace.Span {
	more = append(more, attributeType.String(id.Type), attributeMethod.String(call.Method()), attributeNode.String(t.node))
	if t.keys {
		more = append(more, attributeKey.String(id.Key))
	}
	_, span := t.tracer.Start(ctx, id.Type+"."+call.Method(), trace.WithSpanKind(kind), trace.WithAttributes(more...))
	return span
}

// end says what became of a span.
func end(span trace.Span, err error) {
	owner := movedTo(err).Node
	switch {
	case owner != 0:
		span.AddEvent("moved", trace.WithAttributes(attributeOwner.Int64(int64(owner))))
	case err != nil:
		e := mallee.AsError(err) // bounded, and of an error that has no text too
		span.RecordError(e)
		span.SetStatus(codes.Error, string(e.Code))
	}
	span.End()
}

// only is a context with nothing but the span.
func only(span trace.Span) context.Context { return trace.ContextWithSpan(context.Background(), span) }

// invoke is the node's Invoke: a call from outside of actors has a span.
func (t *tracing) invoke(ctx context.Context, n *Node, id mallee.ID, call mallee.Call) error {
	if activation.From(ctx) != nil {
		return n.invoke(ctx, only(trace.SpanFromContext(ctx)), id, call)
	}
	span := t.start(ctx, trace.SpanKindClient, id, call)
	err := n.invoke(ctx, only(span), id, call)
	end(span, err)
	return err
}

// callRemote is the node's callRemote: a call that an actor makes has a span
// for each try; one from outside has its own already.
func (t *tracing) callRemote(ctx context.Context, n *Node, g placement.Grant, q *activation.Request) error {
	owner := attributeOwner.Int64(int64(g.Node))
	if q.Parent == nil {
		trace.SpanFromContext(q.Trace).SetAttributes(owner)
		return n.callRemote(ctx, g, q)
	}
	span := t.start(q.Trace, trace.SpanKindClient, q.ID, q.Call, owner)
	try := *q
	try.Trace = only(span)
	err := n.callRemote(ctx, g, &try)
	end(span, err)
	return err
}

// hook makes the span of a turn; nil: none.
func (t *tracing) hook() activation.Trace {
	if t == nil {
		return nil
	}
	return func(from context.Context, id mallee.ID, epoch uint64, call mallee.Call) (context.Context, func(error)) {
		if from == nil {
			from = context.Background()
		}
		span := t.start(from, trace.SpanKindServer, id, call, attributeEpoch.Int64(int64(epoch)))
		return only(span), func(err error) { end(span, err) }
	}
}

// from is the caller's trace of a call that came from another node.
func (t *tracing) from(m *transport.Message) context.Context {
	if t == nil || m.Trace.Parent == "" {
		return nil
	}
	return propagation.TraceContext{}.Extract(context.Background(), (*carrier)(&m.Trace))
}

// traceOf is what another node is told of the trace of a call.
func traceOf(q *activation.Request) transport.Trace {
	if q.Trace == nil {
		return transport.Trace{}
	}
	var t transport.Trace // takes memory
	propagation.TraceContext{}.Inject(q.Trace, (*carrier)(&t))
	return t
}

// carrier gives the fields of a message the names of W3C.
type carrier transport.Trace

func (c *carrier) Get(key string) string {
	if f := c.field(key); f != nil {
		return *f
	}
	return ""
}

func (c *carrier) Set(key, value string) {
	if f := c.field(key); f != nil {
		*f = value
	}
}

func (c *carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

func (c *carrier) field(key string) *string {
	switch key {
	case "traceparent":
		return &c.Parent
	case "tracestate":
		return &c.State
	}
	return nil
}

// traceHandler adds to a line the trace that its context is in.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
