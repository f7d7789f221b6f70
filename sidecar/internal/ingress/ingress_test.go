package ingress_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

// source declares the services of the tests. Fields are declared in another order
// than their numbers'.
const source = `
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

message Line { string text = 1; }

message Mixed { oneof choice { string first = 1; Mixed inner = 2; } string last = 3; }

message Kitchen {
  int64 n64 = 7;
  string id = 1;
  int32 n32 = 2;
  uint32 u32 = 3;
  uint64 u64 = 4;
  bool yes = 5;
  bytes raw = 6;
  double real = 8;
  float small = 9;
  Colour colour = 10;
  repeated string tags = 11;
  repeated Line lines = 12;
  Line line = 13;
  optional string maybe = 14;
  oneof choice { string left = 15; int32 right = 16; }
  map<string, int32> counts = 17;
  google.protobuf.Timestamp at = 18;
  google.protobuf.Any any = 19;
  google.protobuf.Struct free = 20;
  google.protobuf.Int64Value boxed = 21;
  string snake_name = 22;
  repeated int64 big = 23;
  Mixed mixed = 24;
  map<string, Mixed> mixes = 25;
}
enum Colour { NONE = 0; RED = 1; }

service Echo {
  rpc Unary(Line) returns (Line);
  rpc In(stream Line) returns (Line);
  rpc Out(Line) returns (stream Line);
  rpc Both(stream Line) returns (stream Line);
  rpc Sink(Kitchen) returns (Kitchen);
}

service Shop {
  rpc Body(Kitchen) returns (Kitchen) {
    option (google.api.http) = {
      post: "/body/{id}" body: "*"
      additional_bindings { get: "/query/{id}" }
      additional_bindings { put: "/field/{id}" body: "line" }
      additional_bindings { get: "/tags/{id}" response_body: "tags" }
      additional_bindings { get: "/lines/{id}" response_body: "lines" }
      additional_bindings { get: "/line/{id}" response_body: "line" }
      additional_bindings { get: "/n64/{id}" response_body: "n64" }
      additional_bindings { get: "/deep/{id=a/*/b}/end" }
      additional_bindings { get: "/rest/{id=**}" }
      additional_bindings { get: "/verb/{id}:do" }
      additional_bindings { get: "/u32/{u32}" }
      additional_bindings { get: "/bool/{yes}" }
      additional_bindings { get: "/first" }
      additional_bindings { custom: { kind: "*" path: "/any" } }
      additional_bindings { delete: "/gone/{id}" }
      additional_bindings { patch: "/patch/{id}" body: "*" }
    };
  }
  rpc Later(Line) returns (Line) { option (google.api.http) = { get: "/first" }; }
  rpc File(Line) returns (google.api.HttpBody) { option (google.api.http) = { get: "/file/{text}" }; }
  rpc Files(Line) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/files/{text}" }; }
  rpc Nothing(google.protobuf.Empty) returns (google.protobuf.Empty) { option (google.api.http) = { get: "/nothing" }; }
}
`

func model(t testing.TB) *spec.Model {
	t.Helper()
	return spectest.Model(t, []*cloudstatepb.Entity{
		spectest.Entity(spec.Action, "shop.Echo", ""),
		spectest.Entity(spec.Action, "shop.Shop", ""),
	}, spectest.File(t, "shop.proto", source))
}

// serverFunc is a command.Server.
type serverFunc func(context.Context, *spec.Method, command.Metadata, command.Exchange) error

func (f serverFunc) Serve(ctx context.Context, m *spec.Method, md command.Metadata, x command.Exchange) error {
	return f(ctx, m, md, x)
}

// echo answers every message with itself; a unary call with the last one.
func echo(_ context.Context, m *spec.Method, _ command.Metadata, x command.Exchange) error {
	var last []byte
	for {
		value, err := x.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if last = value; !m.ClientStreams && !m.ServerStreams {
			break
		}
		if m.ServerStreams {
			if err := x.Send(replyOf(value)); err != nil {
				return err
			}
		}
	}
	if m.ServerStreams || last == nil {
		return nil
	}
	return x.Send(replyOf(last))
}

// fails answers with an error.
func fails(err error) serverFunc {
	return func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		if _, recvErr := x.Recv(); recvErr != nil && recvErr != io.EOF {
			return recvErr
		}
		return err
	}
}

// answers sends replies.
func answers(replies ...*command.Reply) serverFunc {
	return func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		for _, r := range replies {
			if err := x.Send(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func replyOf(value []byte) *command.Reply {
	return &command.Reply{Payload: command.Payload{Value: value}}
}

func newHandler(t testing.TB, c ingress.Config) *ingress.Handler {
	t.Helper()
	if c.Model == nil {
		c.Model = model(t)
	}
	if c.Server == nil {
		c.Server = serverFunc(echo)
	}
	h, err := ingress.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// serve runs a handler on a port, and returns its address.
func serve(t testing.TB, c ingress.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ingress.NewServer(newHandler(t, c), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ingress.Listen(listener))
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}

// rawCodec passes bytes through grpc-go.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, b...)
	return nil
}
func (rawCodec) Name() string { return "proto" }

func dial(t testing.TB, address string, o ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	o = append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///"+address, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// patience bounds what must not hang.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// line is a message shop.Line.
func line(text string) []byte {
	b := []byte{1<<3 | 2, byte(len(text))}
	if len(text) > 127 {
		panic("too long for one byte")
	}
	return append(b, text...)
}

// kitchen makes a message shop.Kitchen of JSON.
func kitchen(t testing.TB, m *spec.Model, text string) []byte {
	t.Helper()
	d, err := m.Files.FindDescriptorByName("shop.Kitchen")
	if err != nil {
		t.Fatal(err)
	}
	msg := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	if err := (protojson.UnmarshalOptions{Resolver: m.Types}).Unmarshal([]byte(text), msg); err != nil {
		t.Fatal(err)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// h2c is a client of HTTP/2 with prior knowledge.
func h2c(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is an answer whose body has been read.
type answer struct {
	Status          int
	Header, Trailer http.Header
}

// do sends a request; headers are "name: value".
func do(t testing.TB, client *http.Client, method, url, body string, headers ...string) (got answer, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(patient(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, a.Trailer}, string(b)
}
