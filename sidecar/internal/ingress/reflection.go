package ingress

import (
	"context"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// reflection answers both versions of server reflection, whose messages are the
// same on the wire. It differs from that of grpc-go in what Cloudstate's tools
// expect: the list has reflection itself first, files come one by one without
// those that they import, and what is unknown is no file and not an error.
type reflection struct {
	services []string // sorted
	files    *protoregistry.Files
	types    *protoregistry.Types // for extensions
}

func newReflection(m *spec.Model, own []protoreflect.FileDescriptor) *reflection {
	r := &reflection{files: new(protoregistry.Files), types: m.Types}
	for _, s := range m.Services {
		r.services = append(r.services, s.Name)
	}
	slices.Sort(r.services)
	m.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		r.add(f)
		return true
	})
	for _, f := range own {
		r.add(f)
	}
	return r
}

// add adds a file and those that it imports. One that is there already, or that
// has names of one that is, is left out: the user function's come first.
func (r *reflection) add(f protoreflect.FileDescriptor) {
	if _, err := r.files.FindFileByPath(f.Path()); err == nil || f.IsPlaceholder() || r.files.RegisterFile(f) != nil {
		return
	}
	for i := range f.Imports().Len() {
		r.add(f.Imports().Get(i).FileDescriptor)
	}
}

// Serve answers the questions of one client.
func (r *reflection) Serve(_ context.Context, m *spec.Method, md command.Metadata, x command.Exchange) error {
	host, _ := md.Get("host")
	for {
		value, err := x.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		question := &pb.ServerReflectionRequest{}
		if err := proto.Unmarshal(value, question); err != nil {
			return refuse(codes.InvalidArgument, "the request: %v", err)
		}
		answer := &pb.ServerReflectionResponse{ValidHost: host, OriginalRequest: question}
		if err := r.answer(answer, m.Service.Name); err != nil {
			return err
		}
		if err := sendMessage(x, answer); err != nil {
			return err
		}
	}
}

// answer answers answer.OriginalRequest.
func (r *reflection) answer(answer *pb.ServerReflectionResponse, self string) error {
	switch q := answer.GetOriginalRequest().GetMessageRequest().(type) {
	case *pb.ServerReflectionRequest_ListServices:
		answer.MessageResponse = &pb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: r.list(self)}
		return nil
	case *pb.ServerReflectionRequest_AllExtensionNumbersOfType:
		answer.MessageResponse = &pb.ServerReflectionResponse_AllExtensionNumbersResponse{
			AllExtensionNumbersResponse: r.extensionsOf(q.AllExtensionNumbersOfType),
		}
		return nil
	case *pb.ServerReflectionRequest_FileByFilename:
		file, _ := r.files.FindFileByPath(q.FileByFilename)
		return answerFile(answer, file)
	case *pb.ServerReflectionRequest_FileContainingSymbol:
		return answerFile(answer, r.fileOf(q.FileContainingSymbol))
	case *pb.ServerReflectionRequest_FileContainingExtension:
		of, number := q.FileContainingExtension.GetContainingType(), q.FileContainingExtension.GetExtensionNumber()
		x, err := r.types.FindExtensionByNumber(protoreflect.FullName(of), protoreflect.FieldNumber(number))
		if err != nil {
			return answerFile(answer, nil)
		}
		return answerFile(answer, x.TypeDescriptor().ParentFile())
	}
	return refuse(codes.InvalidArgument, "the request asks for nothing that is known here")
}

func (r *reflection) list(self string) *pb.ListServiceResponse {
	list := &pb.ListServiceResponse{Service: []*pb.ServiceResponse{{Name: self}}}
	for _, name := range r.services {
		list.Service = append(list.Service, &pb.ServiceResponse{Name: name})
	}
	return list
}

// fileOf is the file that declares a symbol; nil: none does.
func (r *reflection) fileOf(symbol string) protoreflect.FileDescriptor {
	d, err := r.files.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(symbol, ".")))
	if err != nil {
		return nil
	}
	return d.ParentFile()
}

func (r *reflection) extensionsOf(name string) *pb.ExtensionNumberResponse {
	all := &pb.ExtensionNumberResponse{BaseTypeName: name}
	r.types.RangeExtensionsByMessage(protoreflect.FullName(name), func(x protoreflect.ExtensionType) bool {
		all.ExtensionNumber = append(all.ExtensionNumber, int32(x.TypeDescriptor().Number()))
		return true
	})
	slices.Sort(all.ExtensionNumber)
	return all
}

// answerFile answers with a file; nil is none.
func answerFile(answer *pb.ServerReflectionResponse, file protoreflect.FileDescriptor) error {
	found := &pb.FileDescriptorResponse{}
	if file != nil {
		b, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
		if err != nil {
			return err
		}
		found.FileDescriptorProto = [][]byte{b}
	}
	answer.MessageResponse = &pb.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: found}
	return nil
}
