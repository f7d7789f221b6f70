package sidecar_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// Replicated entities are not served yet. Libraries declare them beside others,
// which are: clients hear that there is no such method, and nothing goes to the
// user function.
func TestReplicatedEntities(t *testing.T) {
	t.Parallel()
	const service = "cloudstate.tck.model.valueentity.ValueEntityTwo"
	p := start(t, sidecartest.Config{Spec: func(spec *cloudstatepb.EntitySpec) {
		for _, e := range spec.GetEntities() {
			if e.GetServiceName() == service {
				e.EntityType, e.PersistenceId = "cloudstate.crdt.Crdt", ""
			}
		}
	}}, sidecar.Config{})
	const text = service + ".Call: replicated entities are not served yet"
	_, err := tckvalue.NewValueEntityTwoClient(p.conn).Call(p.ctx, &tckvalue.Request{Id: "it"})
	fails(t, err, codes.Unimplemented, text)
	resp, err := http.Post("http://"+p.side.Addr()+"/"+service+"/Call", "application/json", strings.NewReader(`{"id":"it"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusInternalServerError || string(body) != text {
		t.Errorf("over HTTP it is answered with %s: %q, %v", resp.Status, body, err)
	}

	has(t, "A")(p.value("it", update("A")))
	has(t, "B")(p.events("it", emit("B")))
	forward := &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Forward{Forward: &tckvalue.Forward{Id: "it"}}}
	if _, err := p.value("it", forward); err == nil {
		t.Error("a forward to it succeeds")
	}
	effect := &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Effect{Effect: &tckvalue.Effect{Id: "it"}}}
	has(t, "A")(p.value("it", effect))
	effect.GetEffect().Synchronous = true
	if _, err := p.value("it", effect); err == nil {
		t.Error("a synchronous side effect on it succeeds")
	}
	has(t, "A")(p.value("it"))

	p.Expect(t, sidecartest.Discover)
	p.Expect(t, sidecartest.ValueEntity)
	p.Expect(t, sidecartest.EventSourced)
	p.ExpectNothing(t)
}
