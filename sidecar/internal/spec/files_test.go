package spec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

// withSet is a specification of the cart with another set of files.
func withSet(set []byte) *cloudstatepb.EntitySpec {
	e := spectest.Spec(cartEntity())
	e.Proto = set
	return e
}

// The libraries send the files in any order, and some of them repeat files.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	set := parseSet(t, spectest.Set(spectest.File(t, "shop.proto", cart)))
	all := slices.Concat(set.File, set.File[2:], set.File[:1])
	rapid.Check(t, func(rt *rapid.T) {
		files := rapid.Permutation(all).Draw(rt, "files")
		m := load(t, withSet(marshal(t, &descriptorpb.FileDescriptorSet{File: files})), spec.Options{})
		if n := m.Files.NumFiles(); n != len(set.File) {
			rt.Errorf("%d files, want %d", n, len(set.File))
		}
		if m.Services[0].Methods[0].Key == nil || len(m.Services[0].Methods[0].Rules) != 1 {
			rt.Error("options are lost")
		}
	})
}

// What only options need may be missing, and so may what everybody has.
func TestMissingFiles(t *testing.T) {
	t.Parallel()
	set := spectest.Set(spectest.File(t, "shop.proto", cart))
	for _, missing := range [][]string{
		{"cloudstate/entity_key.proto"},
		{"google/api/annotations.proto", "google/api/http.proto"},
		{"google/protobuf/empty.proto"},
		{"google/protobuf/descriptor.proto"},
		{
			"cloudstate/entity_key.proto", "google/api/annotations.proto", "google/api/http.proto",
			"google/protobuf/descriptor.proto", "google/protobuf/empty.proto",
		},
	} {
		m := load(t, withSet(without(t, set, missing...)), spec.Options{})
		if add := m.Services[0].Method("Add"); add.Key == nil || len(add.Rules) != 1 || add.Output.FullName() != "google.protobuf.Empty" {
			t.Errorf("without %s: %+v", missing, add)
		}
	}
}

func TestWellKnownFiles(t *testing.T) {
	t.Parallel()
	set := spectest.Set(spectest.File(t, "shop.proto", `
		syntax = "proto3";
		package shop;
		import "google/api/httpbody.proto";
		import "google/protobuf/any.proto";
		import "google/protobuf/duration.proto";
		import "google/protobuf/field_mask.proto";
		import "google/protobuf/struct.proto";
		import "google/protobuf/timestamp.proto";
		import "google/protobuf/wrappers.proto";
		message All {
			google.api.HttpBody a = 1;
			google.protobuf.Any b = 2;
			google.protobuf.Duration c = 3;
			google.protobuf.FieldMask d = 4;
			google.protobuf.Value e = 5;
			google.protobuf.Timestamp f = 6;
			google.protobuf.BoolValue g = 7;
		}
		service Cart { rpc Get(All) returns (All); }`))
	files := parseSet(t, set)
	files.File = files.File[len(files.File)-1:]
	e := withSet(marshal(t, files))
	e.Entities[0].EntityType = string(spec.Action)
	m := load(t, e, spec.Options{})
	for _, name := range []protoreflect.FullName{"google.api.HttpBody", "google.protobuf.Struct", "google.protobuf.Timestamp"} {
		if _, err := m.Types.FindMessageByName(name); err != nil {
			t.Error(name, err)
		}
	}
}

// Imports that are taken out must not change which of the others are public.
func TestMissingFileBeforePublicOne(t *testing.T) {
	t.Parallel()
	set := spectest.Set(spectest.Compile(t, map[string]string{
		"unused.proto": `syntax = "proto3";`,
		"lines.proto":  `syntax = "proto3"; package shop; message Lines {}`,
		"all.proto":    `syntax = "proto3"; import "unused.proto"; import public "lines.proto";`,
		"shop.proto":   `syntax = "proto3"; package shop; import "all.proto"; service Cart { rpc Get(Lines) returns (Lines); }`,
	}, "shop.proto")...)
	e := withSet(without(t, set, "unused.proto"))
	e.Entities[0].EntityType = string(spec.Action)
	load(t, e, spec.Options{})
}

func TestFileErrors(t *testing.T) {
	t.Parallel()
	sources := map[string]string{
		"lines.proto": `syntax = "proto3"; package shop; message Lines {}`,
		"all.proto":   `syntax = "proto3"; import public "lines.proto";`,
		"shop.proto":  `syntax = "proto3"; package shop; import "all.proto"; service Cart { rpc Get(Lines) returns (Lines); }`,
		"over.proto":  `syntax = "proto3"; import "shop.proto";`,
	}
	set := spectest.Set(spectest.Compile(t, sources, "over.proto")...)
	change := func(path string, change func(*descriptorpb.FileDescriptorProto)) []byte {
		files := parseSet(t, set)
		for _, f := range files.File {
			if f.GetName() == path {
				change(f)
			}
		}
		return marshal(t, files)
	}
	many := &descriptorpb.FileDescriptorSet{}
	for i := range 10_001 {
		many.File = append(many.File, &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprint(i))})
	}
	for _, test := range []struct {
		name string
		set  []byte
		want string
	}{
		{"not a set", []byte("\x0a\x7f"), `field proto of the EntitySpec is not a google.protobuf.FileDescriptorSet: cannot parse invalid wire-format data: build the user function's descriptors again with protoc`},
		{"used file is missing", without(t, set, "lines.proto"), `file shop.proto: service method "shop.Cart.Get" cannot resolve input: "shop.Lines" not found; the descriptor set lacks an import: shop.proto -> all.proto -> lines.proto`},
		{"used file is missing, not public", change("shop.proto", func(f *descriptorpb.FileDescriptorProto) { f.Dependency = []string{"lines2.proto"} }),
			`file shop.proto: service method "shop.Cart.Get" cannot resolve input: resolved "shop.Lines", but "lines.proto" is not imported; the descriptor set lacks an import: shop.proto -> lines2.proto`},
		{"cycle", change("lines.proto", func(f *descriptorpb.FileDescriptorProto) { f.Dependency = []string{"over.proto"} }),
			`files import each other: lines.proto -> over.proto -> shop.proto -> all.proto -> lines.proto: take one of the imports out`},
		{"itself", change("lines.proto", func(f *descriptorpb.FileDescriptorProto) { f.Dependency = []string{"lines.proto"} }),
			`files import each other: lines.proto -> lines.proto: take one of the imports out`},
		{"same name twice", change("over.proto", func(f *descriptorpb.FileDescriptorProto) {
			f.Package = proto.String("shop")
			f.MessageType = []*descriptorpb.DescriptorProto{{Name: proto.String("Lines")}}
		}), `file over.proto: file "over.proto" has a name conflict over shop.Lines`},
		{"too many", marshal(t, many), `the descriptor set has 10001 files, and at most 10000 are allowed: send only those that the services import`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantErrors(t, withSet(test.set), spec.Options{}, test.want)
		})
	}
}

// Dynamic types must be of the same descriptors as the services.
func TestTypesAreOfTheFiles(t *testing.T) {
	t.Parallel()
	m := spectest.Model(t, cartEntity(), spectest.File(t, "shop.proto", cart))
	m.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			of := f.Messages().Get(i)
			made, err := m.Types.FindMessageByName(of.FullName())
			if err != nil || made.Descriptor() != of {
				t.Errorf("%s: %v", of.FullName(), err)
			}
		}
		return true
	})
}

// Whatever a user function sends, it is answered with a model or with errors of
// one line each.
func FuzzLoad(f *testing.F) {
	add := func(e *cloudstatepb.EntitySpec) {
		b, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	add(spectest.Spec(cartEntity(), spectest.File(f, "shop.proto", cart)))
	for _, test := range misconfigured() {
		file := spectest.File(f, "t.proto", messages+"service S {"+test.methods+"}")
		add(spectest.Spec([]*cloudstatepb.Entity{spectest.Entity(test.kind, "t.S", "s")}, file))
	}
	f.Fuzz(func(t *testing.T, b []byte, broker bool) {
		e := &cloudstatepb.EntitySpec{}
		if err := proto.Unmarshal(b, e); err != nil {
			return
		}
		m, errs := spec.Load(e, spec.Options{Broker: broker})
		if (m == nil) != (len(errs) > 0) {
			t.Errorf("model %v with %d errors", m, len(errs))
		}
		for _, err := range errs {
			if strings.ContainsAny(err.Error(), "\n\r\x00") {
				t.Errorf("error of several lines: %q", err)
			}
		}
	})
}
