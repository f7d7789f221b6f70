package spec_test

import (
	"testing"

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
}
service Cart {
  rpc Add(Line) returns (google.protobuf.Empty) {
    option (google.api.http) = { post: "/cart/{user_id}/add" body: "*" };
  }
}
`

func TestLoad(t *testing.T) {
	t.Parallel()
	m := spectest.Model(t, []*cloudstatepb.Entity{spectest.Entity(spec.EventSourced, "shop.Cart", "carts")}, spectest.File(t, "shop.proto", cart))
	s := m.Service("shop.Cart")
	if s == nil || s.PersistenceID != "carts" || len(s.Methods) != 1 {
		t.Fatalf("service %+v", s)
	}
	id, err := s.Method("Add").Key.Read([]byte("\x0a\x03abc"))
	if id != "abc" || err != nil {
		t.Fatal(id, err)
	}
}
