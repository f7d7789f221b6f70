// Package spectest makes what user functions declare, for tests: protos are
// written within the test.
package spectest

import (
	"context"
	"errors"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Compile compiles proto sources, given by their paths. They may import one
// another, google/protobuf/*.proto, google/api/{annotations,http,httpbody}.proto
// and cloudstate/{entity_key,legacy_entity_key,eventing}.proto, which a source
// of the same path replaces. The files come in the order of the paths asked for.
func Compile(t testing.TB, sources map[string]string, paths ...string) []protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)},
		protocompile.ResolverFunc(importable),
	})}
	compiled, err := compiler.Compile(context.Background(), paths...)
	if err != nil {
		t.Fatal(err)
	}
	files := make([]protoreflect.FileDescriptor, len(compiled))
	for i, f := range compiled {
		files[i] = f
	}
	return files
}

// File compiles one proto source under a path.
func File(t testing.TB, path, source string) protoreflect.FileDescriptor {
	t.Helper()
	return Compile(t, map[string]string{path: source}, path)[0]
}

func importable(path string) (protocompile.SearchResult, error) {
	for _, f := range []protoreflect.FileDescriptor{
		cloudstatepb.File_cloudstate_entity_key_proto,
		cloudstatepb.File_cloudstate_legacy_entity_key_proto,
		cloudstatepb.File_cloudstate_eventing_proto,
		annotations.File_google_api_annotations_proto,
		annotations.File_google_api_http_proto,
		httpbody.File_google_api_httpbody_proto,
	} {
		if f.Path() == path {
			return protocompile.SearchResult{Desc: f}, nil
		}
	}
	return protocompile.SearchResult{}, errors.New("no such file")
}

// Set is a FileDescriptorSet of files and of all that they import, each once
// and after what it imports.
func Set(files ...protoreflect.FileDescriptor) []byte {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range files {
		add(f)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		panic(err) // the descriptors are made by the compiler
	}
	return b
}

// Entity declares a service.
func Entity(kind spec.Kind, service, persistenceID string) *cloudstatepb.Entity {
	return &cloudstatepb.Entity{EntityType: string(kind), ServiceName: service, PersistenceId: persistenceID}
}

// Spec is what a user function of protocol 0.2 answers to discovery.
func Spec(entities []*cloudstatepb.Entity, files ...protoreflect.FileDescriptor) *cloudstatepb.EntitySpec {
	return &cloudstatepb.EntitySpec{
		Proto:    Set(files...),
		Entities: entities,
		ServiceInfo: &cloudstatepb.ServiceInfo{
			ServiceName: "test", SupportLibraryName: "spectest", SupportLibraryVersion: "1", ProtocolMinorVersion: 2,
		},
	}
}

// Model is the model of services; there is a broker, and every kind is served.
func Model(t testing.TB, entities []*cloudstatepb.Entity, files ...protoreflect.FileDescriptor) *spec.Model {
	t.Helper()
	m, errs := spec.Load(Spec(entities, files...), spec.Options{Broker: true})
	for _, err := range errs {
		t.Error(err)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	return m
}
