package spec

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// maxFiles bounds how deep imports can be.
const maxFiles = 10_000

// parse reads a FileDescriptorSet: each file once, since some libraries repeat
// them, in the order of the set.
func (l *loader) parse(b []byte) []*descriptorpb.FileDescriptorProto {
	l.model.Types = &protoregistry.Types{}
	for _, x := range []protoreflect.ExtensionType{
		cloudstatepb.E_EntityKey, cloudstatepb.E_LegacyEntityKey, cloudstatepb.E_Eventing, annotations.E_Http,
	} {
		if err := l.model.Types.RegisterExtension(x); err != nil {
			l.errorf("extension %s: %v", x.TypeDescriptor().FullName(), err)
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	err := proto.UnmarshalOptions{Resolver: l.model.Types, AllowPartial: true}.Unmarshal(b, set)
	if err != nil {
		l.errorf("field proto of the EntitySpec is not a google.protobuf.FileDescriptorSet: %s: "+
			"build the user function's descriptors again with protoc", plain(err))
		return nil
	}
	if len(set.GetFile()) > maxFiles {
		l.errorf("the descriptor set has %d files, and at most %d are allowed: send only those that the services import", len(set.GetFile()), maxFiles)
		return nil
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(set.GetFile(), func(f *descriptorpb.FileDescriptorProto) bool {
		repeated := seen[f.GetName()]
		seen[f.GetName()] = true
		return repeated
	})
}

// wellKnown is a file that every library has, so that some do not send it; nil:
// it is not one.
func wellKnown(path string) *descriptorpb.FileDescriptorProto {
	for _, f := range []protoreflect.FileDescriptor{
		anypb.File_google_protobuf_any_proto,
		descriptorpb.File_google_protobuf_descriptor_proto,
		durationpb.File_google_protobuf_duration_proto,
		emptypb.File_google_protobuf_empty_proto,
		fieldmaskpb.File_google_protobuf_field_mask_proto,
		structpb.File_google_protobuf_struct_proto,
		timestamppb.File_google_protobuf_timestamp_proto,
		wrapperspb.File_google_protobuf_wrappers_proto,
		annotations.File_google_api_annotations_proto,
		annotations.File_google_api_http_proto,
		httpbody.File_google_api_httpbody_proto,
	} {
		if f.Path() == path {
			return protodesc.ToFileDescriptorProto(f)
		}
	}
	return nil
}

// plain is the text of an error of the protobuf module without its mark, whose
// spaces differ between builds so that nobody compares them.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.ReplaceAll(text, "proto: ", ""))
}
