package spec_test

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

const cart = `
syntax = "proto3";
package shop;
import "cloudstate/entity_key.proto";
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
message Line {
  string user_id = 1 [(cloudstate.entity_key) = true];
  string product = 2;
  enum Unit { PIECE = 0; }
  map<string, Unit> units = 3;
}
message Lines { repeated Line lines = 1; }
service Cart {
  rpc Add(Line) returns (google.protobuf.Empty) {
    option (google.api.http) = { post: "/cart/{user_id}/add" body: "*" };
  }
  rpc Get(Line) returns (Lines) {
    option (google.api.http) = {
      get: "/carts/{user_id}"
      additional_bindings { get: "/carts/{user_id}/lines" response_body: "lines" }
    };
  }
  rpc Clear(Line) returns (google.protobuf.Empty);
}
`

func cartEntity() []*cloudstatepb.Entity {
	return []*cloudstatepb.Entity{spectest.Entity(spec.EventSourced, "shop.Cart", "carts")}
}

func load(t *testing.T, e *cloudstatepb.EntitySpec, o spec.Options) *spec.Model {
	t.Helper()
	m, errs := spec.Load(e, o)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return m
}

func TestLoad(t *testing.T) {
	t.Parallel()
	m := spectest.Model(t, cartEntity(), spectest.File(t, "shop.proto", cart))
	s := m.Service("shop.Cart")
	if s == nil || s.Kind != spec.EventSourced || s.PersistenceID != "carts" || s.IdleTimeout != 0 || len(s.Methods) != 3 || s.Descriptor == nil {
		t.Fatalf("service %+v", s)
	}
	if m.Service("shop.Other") != nil || s.Method("add") != nil {
		t.Error("what is not there was found")
	}
	add := s.Method("Add")
	if add.Path() != "/shop.Cart/Add" || add.InputURL() != "type.googleapis.com/shop.Line" || add.OutputURL() != "type.googleapis.com/google.protobuf.Empty" || !add.Unary() {
		t.Errorf("method %+v", add)
	}
	if id, err := add.Key.Read([]byte("\x0a\x03abc")); id != "abc" || err != nil {
		t.Error(id, err)
	}
	var patterns []string
	for _, method := range s.Methods {
		for _, rule := range method.Rules {
			verb, path := spec.Pattern(rule)
			patterns = append(patterns, method.Name+" "+verb+" "+path)
		}
	}
	if want := []string{"Add POST /cart/{user_id}/add", "Get GET /carts/{user_id}", "Get GET /carts/{user_id}/lines"}; !slices.Equal(patterns, want) {
		t.Errorf("rules %q, want %q", patterns, want)
	}
	if _, err := m.Types.FindMessageByURL(add.InputURL()); err != nil {
		t.Error(err)
	}
	if _, err := m.Types.FindEnumByName("shop.Line.Unit"); err != nil {
		t.Error(err)
	}
	if m.Dialect != spec.Dialect02 || m.Library != "spectest 1" || len(m.Warnings) > 0 {
		t.Errorf("dialect %v, library %q, warnings %q", m.Dialect, m.Library, m.Warnings)
	}
}

// Descriptors come from compilers of every kind: here from generated Go code.
func TestLoadGenerated(t *testing.T) {
	t.Parallel()
	m := spectest.Model(t, []*cloudstatepb.Entity{spectest.Entity(spec.Action, "cloudstate.EntityDiscovery", "")},
		cloudstatepb.File_cloudstate_entity_proto)
	if discover := m.Services[0].Method("discover"); discover == nil || discover.InputURL() != "type.googleapis.com/cloudstate.ProxyInfo" {
		t.Errorf("method %+v", discover)
	}
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]time.Duration{
		0: 0, -1: 0, 30_000: 30 * time.Second, 1 << 62: 100 * 365 * 24 * time.Hour,
	} {
		entity := cartEntity()
		entity[0].PassivationStrategy = &cloudstatepb.EntityPassivationStrategy{
			Strategy: &cloudstatepb.EntityPassivationStrategy_Timeout{Timeout: &cloudstatepb.TimeoutPassivationStrategy{Timeout: ms}},
		}
		m := spectest.Model(t, entity, spectest.File(t, "shop.proto", cart))
		if got := m.Services[0].IdleTimeout; got != want {
			t.Errorf("%d ms: %v, want %v", ms, got, want)
		}
	}
}

// Entities without a persistence id are stored under their service's name.
func TestPersistenceID(t *testing.T) {
	t.Parallel()
	file := spectest.File(t, "shop.proto", cart)
	m := spectest.Model(t, []*cloudstatepb.Entity{spectest.Entity(spec.Value, "shop.Cart", "")}, file)
	if id := m.Services[0].PersistenceID; id != "shop.Cart" {
		t.Errorf("entity has %q", id)
	}
	m = spectest.Model(t, []*cloudstatepb.Entity{spectest.Entity(spec.Action, "shop.Cart", "")}, file)
	if id := m.Services[0].PersistenceID; id != "" || m.Services[0].Methods[0].Key != nil {
		t.Errorf("action has %q", id)
	}
}

// oldKey is what libraries of protocol 0.1 import.
const oldKey = `
syntax = "proto2";
package cloudstate;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions { optional bool entity_key = 50002; }
`

func TestDialect(t *testing.T) {
	t.Parallel()
	const source = `
		syntax = "proto3";
		package shop;
		import "cloudstate/entity_key.proto";
		message Line { string id = 1 [(cloudstate.entity_key) = true]; }
		service Cart { rpc Add(Line) returns (Line); }`
	sources := map[string]string{"shop.proto": source}
	today := spectest.Set(spectest.Compile(t, sources, "shop.proto")...)
	sources["cloudstate/entity_key.proto"] = oldKey
	old := spectest.Set(spectest.Compile(t, sources, "shop.proto")...)
	neither := without(t, today, "cloudstate/entity_key.proto")
	dialect := func(d spec.Dialect) *spec.Dialect { return &d }
	for _, test := range []struct {
		name  string
		set   []byte
		minor int32
		fixed *spec.Dialect
		want  spec.Dialect
	}{
		{"old declaration", old, 0, nil, spec.Dialect01},
		{"old declaration, new version", old, 2, nil, spec.Dialect01},
		{"new declaration, no version", today, 0, nil, spec.Dialect02},
		{"version only", neither, 2, nil, spec.Dialect02},
		{"no version", neither, 0, nil, spec.Dialect01},
		{"configured", old, 0, dialect(spec.Dialect02), spec.Dialect02},
	} {
		e := spectest.Spec([]*cloudstatepb.Entity{spectest.Entity(spec.Replicated, "shop.Cart", "")})
		e.Proto, e.ServiceInfo.ProtocolMinorVersion = test.set, test.minor
		m := load(t, e, spec.Options{Dialect: test.fixed})
		if m.Dialect != test.want {
			t.Errorf("%s: %v, want %v", test.name, m.Dialect, test.want)
		}
		if id, err := m.Services[0].Methods[0].Key.Read([]byte("\x0a\x01a")); id != "a" || err != nil {
			t.Errorf("%s: id %q, %v", test.name, id, err)
		}
	}
}

func TestEventing(t *testing.T) {
	t.Parallel()
	m := spectest.Model(t, []*cloudstatepb.Entity{spectest.Entity(spec.Action, "t.S", ""), spectest.Entity(spec.EventSourced, "t.Log", "log")},
		spectest.File(t, "t.proto", messages+`
		service S {
			rpc A(Bare) returns (Bare) { option (cloudstate.eventing) = { in: { topic: "x" consumer_group: "g" } out: { topic: "y" } }; }
			rpc B(Keyed) returns (Bare) { option (cloudstate.eventing) = { in: { event_log: "log" } }; }
			rpc C(Bare) returns (Bare) { option (cloudstate.eventing) = { out: { topic: "z" } }; }
			rpc D(Bare) returns (Bare);
		}
		service Log { rpc Do(Keyed) returns (Bare); }`))
	s := m.Services[0]
	for name, want := range map[string]struct {
		source spec.Source
		topic  string
	}{
		"A": {spec.Source{Topic: "x", Group: "g"}, "y"},
		"B": {spec.Source{EventLog: "log", Group: "t.S"}, ""},
		"C": {spec.Source{}, "z"},
		"D": {spec.Source{}, ""},
	} {
		method := s.Method(name)
		if method.Topic != want.topic || method.Source == nil && want.source != (spec.Source{}) || method.Source != nil && *method.Source != want.source {
			t.Errorf("method %s: source %v, topic %q", name, method.Source, method.Topic)
		}
	}
}

// The eventing option of protocol 0.1 is another one, with topics only; where
// there is no broker it has always been without effect.
func TestLegacyEventing(t *testing.T) {
	t.Parallel()
	set := func(option []byte) *cloudstatepb.EntitySpec {
		files := parseSet(t, spectest.Set(spectest.File(t, "shop.proto", cart)))
		shop := files.File[slices.IndexFunc(files.File, func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == "shop.proto" })]
		shop.Service[0].Method[2].Options = &descriptorpb.MethodOptions{}
		shop.Service[0].Method[2].Options.ProtoReflect().SetUnknown(option)
		e := spectest.Spec(cartEntity())
		e.Proto = marshal(t, files)
		return e
	}
	option := func(eventing []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 50003, protowire.BytesType), eventing)
	}
	text := func(number protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v)
	}
	for _, test := range []struct {
		in, out string
		source  *spec.Source
		topic   string
	}{
		{"x", "", &spec.Source{Topic: "x", Group: "shop.Cart"}, ""},
		{"x", "discard", &spec.Source{Topic: "x", Group: "shop.Cart"}, ""},
		{"x", "y", &spec.Source{Topic: "x", Group: "shop.Cart"}, "y"},
		{"", "y", nil, "y"},
		{"", "", nil, ""},
	} {
		for _, encoded := range [][]byte{
			option(append(text(1, test.in), text(2, test.out)...)),
			append(option(text(2, test.out)), option(text(1, test.in))...), // in two parts
		} {
			m := load(t, set(encoded), spec.Options{Broker: true})
			clear := m.Services[0].Method("Clear")
			if clear.Topic != test.topic || (clear.Source == nil) != (test.source == nil) || test.source != nil && *clear.Source != *test.source {
				t.Errorf("%+v: source %v, topic %q", test, clear.Source, clear.Topic)
			}
		}
	}
	m := load(t, set(option(text(1, "x"))), spec.Options{})
	if clear := m.Services[0].Method("Clear"); clear.Source != nil || len(m.Warnings) != 1 || m.Warnings[0] !=
		"service shop.Cart, method Clear: its eventing option names a topic, and the sidecar has no message broker: no events are consumed nor published" {
		t.Errorf("without broker: source %v, warnings %q", clear.Source, m.Warnings)
	}
	wantErrors(t, set(option([]byte("\x0a\x09x"))), spec.Options{},
		"service shop.Cart, method Clear: its eventing option (50003) cannot be read: unexpected EOF")
	wantErrors(t, set(option(append(text(1, "x"), text(2, "x")...))), spec.Options{Broker: true},
		`service shop.Cart, method Clear: it consumes topic "x" and publishes to it, so that its own replies would come back: use two topics`)
}

func TestLibrary(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, version, want string }{
		{"", "", "unknown"}, {"lib", "", "lib"}, {"lib", "1.2", "lib 1.2"},
	} {
		e := spectest.Spec(cartEntity(), spectest.File(t, "shop.proto", cart))
		e.ServiceInfo.SupportLibraryName, e.ServiceInfo.SupportLibraryVersion = test.name, test.version
		if got := load(t, e, spec.Options{}).Library; got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	e := spectest.Spec(cartEntity(), spectest.File(t, "shop.proto", cart))
	e.ServiceInfo = nil
	load(t, e, spec.Options{})
}

func parseSet(t *testing.T, b []byte) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(b, set); err != nil {
		t.Fatal(err)
	}
	return set
}

func marshal(t *testing.T, set *descriptorpb.FileDescriptorSet) []byte {
	t.Helper()
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// without is a set that lacks some files.
func without(t *testing.T, b []byte, paths ...string) []byte {
	t.Helper()
	set := parseSet(t, b)
	set.File = slices.DeleteFunc(set.File, func(f *descriptorpb.FileDescriptorProto) bool { return slices.Contains(paths, f.GetName()) })
	return marshal(t, set)
}
