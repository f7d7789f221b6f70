package sidecar_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

type files = []*descriptorpb.FileDescriptorProto

// withFiles changes the descriptor set of a user function.
func withFiles(change func(files) files) func(*cloudstatepb.EntitySpec) {
	return func(spec *cloudstatepb.EntitySpec) {
		spec.Proto = sidecartest.EncodeFiles(change(sidecartest.DecodeFiles(spec.GetProto())))
	}
}

// fileOf is the model of value entities.
func fileOf(all files) *descriptorpb.FileDescriptorProto {
	i := slices.IndexFunc(all, func(f *descriptorpb.FileDescriptorProto) bool {
		return f.GetPackage() == "cloudstate.tck.model.valueentity"
	})
	return all[i]
}

// keyOf is the key field of its requests.
func keyOf(all files) *descriptorpb.FieldDescriptorProto {
	for _, m := range fileOf(all).GetMessageType() {
		if m.GetName() == "Request" {
			return m.GetField()[0]
		}
	}
	return nil
}

// Descriptor sets as libraries send them: in any order, with files more than
// once (Python), each before those that it imports (Go), and without files that
// are imported but not needed.
func TestDescriptorSets(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(files) files{
		"as it is":                 func(all files) files { return all },
		"parent before dependency": func(all files) files { slices.Reverse(all); return all },
		"repeated":                 func(all files) files { return slices.Concat(all, all, all[:3]) },
		"out of order, repeated": func(all files) files {
			reversed := slices.Clone(all)
			slices.Reverse(reversed)
			return slices.Concat(reversed[2:], all)
		},
		"unused import that is missing": func(all files) files {
			f := fileOf(all)
			f.Dependency = append(f.Dependency, "nowhere/at_all.proto")
			return all
		},
		"no options' files": func(all files) files {
			return slices.DeleteFunc(all, func(f *descriptorpb.FileDescriptorProto) bool {
				return strings.HasPrefix(f.GetName(), "google/api/") || f.GetName() == "google/protobuf/descriptor.proto"
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, sidecartest.Config{Spec: withFiles(change)}, sidecar.Config{})
			has(t, "A")(p.value("it", update("A")))
			has(t, "B")(p.events("it", emit("B")))
		})
	}
}

// What a sidecar cannot work with it reports to the developer, with what is
// wrong; it does not serve, and does not ask again for the same.
func TestRefusedFunctions(t *testing.T) {
	t.Parallel()
	declare := func(service string, change func(*cloudstatepb.Entity)) func(*cloudstatepb.EntitySpec) {
		return func(spec *cloudstatepb.EntitySpec) {
			for _, e := range spec.GetEntities() {
				if e.GetServiceName() == service {
					change(e)
				}
			}
		}
	}
	const value, action = "cloudstate.tck.model.valueentity.ValueEntityTckModel", "cloudstate.tck.model.action.ActionTckModel"
	for name, refused := range map[string]struct {
		spec func(*cloudstatepb.EntitySpec)
		want []string // in the report
	}{
		"garbage": {func(spec *cloudstatepb.EntitySpec) { spec.Proto = []byte("no descriptor set") }, nil},
		"type that is missing": {withFiles(func(all files) files {
			m := fileOf(all).GetMessageType()[0]
			m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
				Name: proto.String("thing"), Number: proto.Int32(77), TypeName: proto.String(".nowhere.Thing"),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
			})
			return all
		}), []string{"nowhere.Thing"}},
		"circle of imports": {withFiles(func(all files) files {
			f := fileOf(all)
			f.Dependency = append(f.Dependency, f.GetName())
			return all
		}), []string{"sidecartest/valueentity.proto"}},
		"no entities":       {func(spec *cloudstatepb.EntitySpec) { spec.Entities = nil }, nil},
		"unknown service":   {declare(value, func(e *cloudstatepb.Entity) { e.ServiceName = "nowhere.Service" }), []string{"nowhere.Service"}},
		"unknown kind":      {declare(value, func(e *cloudstatepb.Entity) { e.EntityType = "cloudstate.nothing.Nothing" }), []string{"cloudstate.nothing.Nothing"}},
		"streaming entity":  {declare(action, func(e *cloudstatepb.Entity) { e.EntityType = "cloudstate.valueentity.ValueEntity" }), []string{action, "ProcessStreamed"}},
		"service twice":     {declare(action, func(e *cloudstatepb.Entity) { e.ServiceName = value }), []string{value}},
		"entity without id": {withFiles(func(all files) files { keyOf(all).Options = nil; return all }), []string{"ValueEntity"}},
		"repeated id": {withFiles(func(all files) files {
			keyOf(all).Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			return all
		}), []string{"ValueEntity"}},
		"id of bytes": {withFiles(func(all files) files {
			keyOf(all).Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
			return all
		}), []string{"ValueEntity"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sidecartest.Start(t, sidecartest.Config{Spec: refused.spec})
			s := launch(t, f.Addr(), sidecar.Config{})
			reports := f.ExpectReport(t)
			for _, want := range refused.want {
				for !strings.Contains(reports, want) { // there is a report for each thing that is wrong
					reports += "\n" + f.ExpectReport(t)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Ready(ctx); err == nil {
				t.Error("it serves")
			}
		})
	}
}

// A user function that is mended and started again is found, and served.
func TestFunctionIsMended(t *testing.T) {
	t.Parallel()
	var mended atomic.Bool
	f := sidecartest.Start(t, sidecartest.Config{Spec: func(spec *cloudstatepb.EntitySpec) {
		if !mended.Load() {
			spec.Entities = nil
		}
	}})
	s := launch(t, f.Addr(), sidecar.Config{})
	f.ExpectReport(t)
	f.Stop()
	mended.Store(true)
	f.Restart(t)
	if err := s.Ready(patience(t)); err != nil {
		t.Fatal(err)
	}
	p := &pair{t, f, s, connect(t, s.Addr()), patience(t)}
	eventually(t, func() error { _, err := p.value("it"); return err })
}

// A user function that has more services when it comes back serves them.
func TestFunctionComesBackWithMore(t *testing.T) {
	t.Parallel()
	var more atomic.Bool
	f := sidecartest.Start(t, sidecartest.Config{Spec: func(spec *cloudstatepb.EntitySpec) {
		if !more.Load() {
			spec.Entities = slices.DeleteFunc(spec.GetEntities(), func(e *cloudstatepb.Entity) bool {
				return e.GetServiceName() == "cloudstate.tck.model.action.ActionTwo"
			})
		}
	}})
	s := serve(t, f.Addr(), sidecar.Config{})
	p := &pair{t, f, s, connect(t, s.Addr()), patience(t)}
	has(t, "A")(p.value("it", update("A")))
	two := tckaction.NewActionTwoClient(p.conn)
	if _, err := two.Call(p.ctx, &tckaction.OtherRequest{}); err == nil {
		t.Error("a service that is not declared is served")
	}
	f.Stop()
	more.Store(true)
	f.Restart(t)
	eventually(t, func() error { _, err := two.Call(p.ctx, &tckaction.OtherRequest{}); return err })
	has(t, "A")(p.value("it"))
}

// A user function that is not there yet is waited for; then it is asked once
// what it is, and nothing else goes to it that no client has asked for.
func TestFunctionIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	f.Stop()
	s := launch(t, f.Addr(), sidecar.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ready(ctx); err == nil {
		t.Error("it serves nothing")
	}
	f.Restart(t)
	if err := s.Ready(patience(t)); err != nil {
		t.Fatal(err)
	}
	f.Expect(t, sidecartest.Discover)
	p := &pair{t, f, s, connect(t, s.Addr()), patience(t)}
	has(t, "A")(p.value("it", update("A")))
	f.Expect(t, sidecartest.ValueEntity)
	f.ExpectNothing(t)
}

// Old protocol versions are served, unless the sidecar is strict.
func TestProtocolVersions(t *testing.T) {
	t.Parallel()
	version := func(major, minor int32) func(*cloudstatepb.EntitySpec) {
		return func(spec *cloudstatepb.EntitySpec) {
			spec.ServiceInfo.ProtocolMajorVersion, spec.ServiceInfo.ProtocolMinorVersion = major, minor
		}
	}
	for _, minor := range []int32{0, 1, 2} {
		p := start(t, sidecartest.Config{Spec: version(0, minor)}, sidecar.Config{})
		has(t, "A")(p.value("it", update("A")))
	}
	f := sidecartest.Start(t, sidecartest.Config{Spec: version(0, 1)})
	launch(t, f.Addr(), sidecar.Config{Strict: true})
	if report := f.ExpectReport(t); !strings.Contains(report, "0.1") {
		t.Errorf("the report is %q, without the version", report)
	}
	f = sidecartest.Start(t, sidecartest.Config{Spec: version(1, 0)})
	launch(t, f.Addr(), sidecar.Config{})
	if report := f.ExpectReport(t); !strings.Contains(report, "1.0") {
		t.Errorf("the report is %q, without the version", report)
	}
}

// The front door answers plain HTTP/1.1, whatever it says (spec 10.11).
func TestFrontDoorAnswersHTTP(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, "http://"+p.side.Addr()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("it answers with %d %q, %v", resp.StatusCode, body, err)
	}
}
