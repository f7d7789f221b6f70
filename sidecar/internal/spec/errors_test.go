package spec_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

// messages stand before the services of each test.
const messages = `
syntax = "proto3";
package t;
import "cloudstate/entity_key.proto";
import "cloudstate/eventing.proto";
import "google/api/annotations.proto";
message Keyed { string id = 1 [(cloudstate.entity_key) = true]; }
message Bare { string id = 1; }
message Blob { bytes id = 1 [(cloudstate.entity_key) = true]; }
enum Color { RED = 0; }
message Wide { Keyed keyed = 1; repeated Keyed many = 2; map<string, string> map = 3; Color color = 4; string text = 5; repeated string texts = 6; }
`

// misconfigured are services with an error each, and its text.
func misconfigured() []misconfiguration {
	return []misconfiguration{
		{"client streaming entity", spec.Value, `rpc In(stream Keyed) returns (Bare); rpc Also(stream Keyed) returns (Bare); rpc Fine(Keyed) returns (Bare);`, []string{
			`service t.S is an entity, and entities take one message for each command, not streams: take the word stream out of what these methods take, or move them to an action: In, Also`,
		}},
		{"client streaming replicated entity", spec.Replicated, `rpc In(stream Keyed) returns (stream Bare);`, []string{
			`service t.S is an entity, and entities take one message for each command, not streams: take the word stream out of what these methods take, or move them to an action: In`,
		}},
		{"server streaming entity", spec.EventSourced, `rpc Out(Keyed) returns (stream Bare); rpc Both(stream Keyed) returns (stream Bare);`, []string{
			`service t.S is an entity, and entities take one message for each command, not streams: take the word stream out of what these methods take, or move them to an action: Both`,
			`service t.S is an entity, and its kind answers a command with one message, not with a stream: take the word stream out of what these methods return, or move them to an action: Out, Both`,
		}},
		{"no key", spec.Replicated, `rpc A(Bare) returns (Bare); rpc B(Keyed) returns (Bare); rpc C(Wide) returns (Bare);`, []string{
			`service t.S, method A: entities are found by the key in a command, and message t.Bare has none: mark a field of it with [(cloudstate.entity_key) = true]`,
			`service t.S, method C: entities are found by the key in a command, and message t.Wide has none: mark a field of it with [(cloudstate.entity_key) = true]`,
		}},
		{"bad key", spec.Value, `rpc A(Blob) returns (Bare);`, []string{
			`service t.S, method A: field t.Blob.id is of type bytes and cannot be an entity key: use a string, a number, a bool or an enum`,
		}},
		{"unknown kind", "cloudstate.Other", `rpc A(Bare) returns (Bare);`, []string{
			`service t.S is of type "cloudstate.Other", which the sidecar does not serve: it serves cloudstate.eventsourced.EventSourced, cloudstate.valueentity.ValueEntity, cloudstate.action.ActionProtocol, cloudstate.crdt.Crdt, cloudstate.function.StatelessFunction`,
		}},

		{"rule without pattern", spec.Action, `rpc A(Bare) returns (Bare) { option (google.api.http) = { body: "*" }; }`, []string{
			`service t.S, method A: its google.api.http option has no path: add one of get, put, post, delete, patch or custom`,
		}},
		{"other selector", spec.Action, `rpc A(Bare) returns (Bare) { option (google.api.http) = { selector: "t.S.B" get: "/a" }; }
			rpc B(Bare) returns (Bare) { option (google.api.http) = { selector: "t.S.B" get: "/b" }; }`, []string{
			`service t.S, method A: its google.api.http option selects "t.S.B": leave the selector out, or name t.S.A`,
		}},
		{"custom kind", spec.Action, `rpc A(Bare) returns (Bare) { option (google.api.http) = { custom: { kind: "HEAD" path: "/a" } }; }
			rpc B(Bare) returns (Bare) { option (google.api.http) = { custom: { kind: "*" path: "/a" } }; }`, []string{
			`service t.S, method A: its google.api.http option has the custom kind "HEAD": use get, put, post, delete or patch, or the kind * for every HTTP method`,
		}},
		{"template", spec.Action, `rpc A(Bare) returns (Bare) { option (google.api.http) = { get: "carts" additional_bindings { put: "/{id" } }; }`, []string{
			`service t.S, method A: HTTP rule GET: path "carts", character 1: a path begins with a slash`,
			`service t.S, method A: HTTP rule PUT: path "/{id", character 5: a closing brace is missing`,
		}},
		{"variables", spec.Action, `rpc A(Wide) returns (Bare) { option (google.api.http) = { get: "/{keyed}/{texts}/{map}/{color}/{text}/{none}" }; }`, []string{
			`service t.S, method A: HTTP rule GET /{keyed}/{texts}/{map}/{color}/{text}/{none}: field keyed of message t.Wide is a message, and a path has room for one text or number only: use another field`,
			`service t.S, method A: HTTP rule GET /{keyed}/{texts}/{map}/{color}/{text}/{none}: field texts of message t.Wide is repeated, and a path has room for one text or number only: use another field`,
			`service t.S, method A: HTTP rule GET /{keyed}/{texts}/{map}/{color}/{text}/{none}: field map of message t.Wide is a map, and a path has room for one text or number only: use another field`,
			`service t.S, method A: HTTP rule GET /{keyed}/{texts}/{map}/{color}/{text}/{none}: field color of message t.Wide is an enum, and a path has room for one text or number only: use another field`,
			`service t.S, method A: HTTP rule GET /{keyed}/{texts}/{map}/{color}/{text}/{none}: message t.Wide has no field none`,
		}},
		{"bodies", spec.Action, `rpc A(Wide) returns (Bare) { option (google.api.http) = { post: "/a" body: "none"
			additional_bindings { post: "/b" body: "many" } additional_bindings { post: "/c" body: "text" }
			additional_bindings { get: "/d" body: "keyed" response_body: "id" } additional_bindings { delete: "/e" body: "*" response_body: "none" } }; }`, []string{
			`service t.S, method A: HTTP rule POST /a: its body is field "none", which message t.Wide does not have`,
			`service t.S, method A: HTTP rule POST /b: its body is field many of message t.Wide, which is not a single message: name one that is, or * for the whole message`,
			`service t.S, method A: HTTP rule POST /c: its body is field text of message t.Wide, which is not a single message: name one that is, or * for the whole message`,
			`service t.S, method A: HTTP rule DELETE /e: its response body is field "none", which message t.Bare does not have`,
		}},
		{"bindings of bindings", spec.Action, `rpc A(Bare) returns (Bare) { option (google.api.http) = { get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } } }; }`, []string{
			`service t.S, method A: an additional binding of its google.api.http option has bindings of its own: list them all in the main rule`,
		}},

		{"empty eventing", spec.Action, `rpc A(Bare) returns (Bare) { option (cloudstate.eventing) = { in: { consumer_group: "g" } out: {} }; }`, []string{
			`service t.S, method A: its eventing option has an empty in: name a topic, or the event_log of an event sourced entity`,
			`service t.S, method A: its eventing option has an empty out: name a topic`,
		}},
		{"circle of topics", spec.Action, `rpc A(Bare) returns (Bare) { option (cloudstate.eventing) = { in: { topic: "x" } out: { topic: "x" } }; }`, []string{
			`service t.S, method A: it consumes topic "x" and publishes to it, so that its own replies would come back: use two topics`,
		}},
		{"consumers of the same", spec.Action, `rpc A(Bare) returns (Bare) { option (cloudstate.eventing).in.topic = "x"; }
			rpc B(Bare) returns (Bare) { option (cloudstate.eventing).in = { topic: "x" consumer_group: "t.S" }; }
			rpc C(Keyed) returns (Bare) { option (cloudstate.eventing).in.topic = "x"; }
			rpc D(Bare) returns (Bare) { option (cloudstate.eventing).in = { topic: "x" consumer_group: "other" }; }`, []string{
			`service t.S, method B: it consumes the same source with the same message t.Bare as method A: leave one of them, or give one another consumer_group`,
		}},
		{"log of nobody", spec.Action, `rpc A(Bare) returns (Bare) { option (cloudstate.eventing).in.event_log = "carts"; }`, []string{
			`service t.S, method A: it consumes the event log "carts", and no event sourced entity of the user function has this persistence id: name one that has`,
		}},
	}
}

type misconfiguration struct {
	name    string
	kind    spec.Kind
	methods string // of service t.S
	want    []string
}

func TestMisconfigured(t *testing.T) {
	t.Parallel()
	for _, test := range misconfigured() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := spectest.File(t, "t.proto", messages+"service S {"+test.methods+"}")
			e := spectest.Spec([]*cloudstatepb.Entity{spectest.Entity(test.kind, "t.S", "s")}, file)
			wantErrors(t, e, spec.Options{Broker: true}, test.want...)
		})
	}
}

// wantErrors checks that there are exactly these errors, and always.
func wantErrors(t *testing.T, e *cloudstatepb.EntitySpec, o spec.Options, want ...string) {
	t.Helper()
	for range 2 {
		m, errs := spec.Load(proto.CloneOf(e), o)
		texts := make([]string, len(errs))
		for i, err := range errs {
			texts[i] = err.Error()
		}
		if got := strings.Join(texts, "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("errors\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
		if (m == nil) != (len(errs) > 0) {
			t.Fatalf("model %v with %d errors", m, len(errs))
		}
	}
}

func TestMisdeclared(t *testing.T) {
	t.Parallel()
	file := spectest.File(t, "t.proto", messages+`
		service A { rpc Do(Keyed) returns (Bare); }
		service B { rpc Do(Keyed) returns (Bare); }
		service C { rpc Do(Bare) returns (Bare) { option (cloudstate.eventing).in.topic = "x"; } }
		service D { rpc Do(Bare) returns (Bare) { option (cloudstate.eventing).out.topic = "x"; } }`)
	long := strings.Repeat("x", spec.MaxPersistenceID+1)
	for _, test := range []struct {
		name     string
		options  spec.Options
		entities []*cloudstatepb.Entity
		want     []string
	}{
		{"none", spec.Options{}, nil, []string{
			`the user function declares no services: register at least one entity or action`,
		}},
		{"unknown", spec.Options{}, []*cloudstatepb.Entity{
			spectest.Entity(spec.Value, "A", "a"), spectest.Entity(spec.Value, "t.Keyed", "b"), spectest.Entity(spec.Value, "", "c"),
		}, []string{
			`service "A" is declared but no file of the descriptor set has it: use its full name, with the package, and include its proto file`,
			`service "t.Keyed" is declared but no file of the descriptor set has it: use its full name, with the package, and include its proto file`,
			`service "" is declared but no file of the descriptor set has it: use its full name, with the package, and include its proto file`,
		}},
		{"twice", spec.Options{}, []*cloudstatepb.Entity{spectest.Entity(spec.Value, "t.A", "a"), spectest.Entity(spec.EventSourced, "t.A", "b")}, []string{
			`service t.A is declared twice: register it once`,
		}},
		{"shared id", spec.Options{}, []*cloudstatepb.Entity{spectest.Entity(spec.Value, "t.A", "entity"), spectest.Entity(spec.EventSourced, "t.B", "entity")}, []string{
			`services t.A and t.B have both the persistence id "entity", and would overwrite each other's entities: give each an id of its own`,
		}},
		{"long id", spec.Options{}, []*cloudstatepb.Entity{spectest.Entity(spec.Value, "t.A", long)}, []string{
			`service t.A has a persistence id of 121 bytes: give it one of at most 120`,
		}},
		{"not served", spec.Options{Kinds: []spec.Kind{spec.Value, spec.Action}}, []*cloudstatepb.Entity{spectest.Entity(spec.Replicated, "t.A", "")}, []string{
			`service t.A is of type "cloudstate.crdt.Crdt", which the sidecar does not serve: it serves cloudstate.valueentity.ValueEntity, cloudstate.action.ActionProtocol`,
		}},
		{"no broker", spec.Options{}, []*cloudstatepb.Entity{spectest.Entity(spec.Action, "t.C", ""), spectest.Entity(spec.Action, "t.D", "")}, []string{
			`service t.C, method Do: its eventing option names a topic, and the sidecar has no message broker: configure one, or take the topic out`,
			`service t.D, method Do: its eventing option names a topic, and the sidecar has no message broker: configure one, or take the topic out`,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantErrors(t, spectest.Spec(test.entities, file), test.options, test.want...)
		})
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	file := spectest.File(t, "shop.proto", cart)
	other := `, and the sidecar speaks 0.0, 0.1 and 0.2: use a support library of one of these`
	strict := `, and the sidecar is set to accept 0.2 only: use a support library of protocol 0.2, or turn the strict check off`
	for _, test := range []struct {
		major, minor int32
		strict       bool
		want         []string
	}{
		{0, 0, false, nil},
		{0, 1, false, nil},
		{0, 2, false, nil},
		{0, 2, true, nil},
		{0, 3, false, []string{`the user function announces protocol 0.3` + other}},
		{1, 2, false, []string{`the user function announces protocol 1.2` + other}},
		{0, -1, false, []string{`the user function announces protocol 0.-1` + other}},
		{0, 0, true, []string{`the user function announces protocol 0.0` + strict}},
		{0, 1, true, []string{`the user function announces protocol 0.1` + strict}},
		{1, 0, true, []string{`the user function announces protocol 1.0` + strict}},
	} {
		e := spectest.Spec([]*cloudstatepb.Entity{spectest.Entity(spec.Value, "shop.Cart", "")}, file)
		e.ServiceInfo.ProtocolMajorVersion, e.ServiceInfo.ProtocolMinorVersion = test.major, test.minor
		wantErrors(t, e, spec.Options{Strict: test.strict}, test.want...)
	}
}
