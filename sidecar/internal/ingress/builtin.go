package ingress

import (
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// builtIn are the methods that the ingress answers itself, in the same protocols
// as those of the user function. One that the user function declares too is the
// user function's.
func builtIn(c Config) []*endpoint {
	files := []protoreflect.FileDescriptor{
		grpc_reflection_v1alpha.File_grpc_reflection_v1alpha_reflection_proto,
		grpc_reflection_v1.File_grpc_reflection_v1_reflection_proto,
		grpc_health_v1.File_grpc_health_v1_health_proto,
	}
	reflection := newReflection(c.Model, files)
	health := &health{c.Model, c.Ready}
	return append(append(
		methodsOf(files[0], reflection),
		methodsOf(files[1], reflection)...),
		methodsOf(files[2], health)...)
}

// methodsOf are the methods of the services in a file.
func methodsOf(file protoreflect.FileDescriptor, by command.Server) (methods []*endpoint) {
	for i := range file.Services().Len() {
		d := file.Services().Get(i)
		service := &spec.Service{Name: string(d.FullName()), Descriptor: d}
		for j := range d.Methods().Len() {
			m := d.Methods().Get(j)
			methods = append(methods, &endpoint{&spec.Method{
				Service:       service,
				Name:          string(m.Name()),
				Input:         m.Input(),
				Output:        m.Output(),
				ClientStreams: m.IsStreamingClient(),
				ServerStreams: m.IsStreamingServer(),
			}, by})
		}
	}
	return methods
}
