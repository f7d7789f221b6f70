// Command go is who is online as a user function: a gRPC server that speaks
// Cloudstate's protocol, on nothing but gRPC and generated messages. It answers two
// services: discovery, by which a sidecar learns what there is, and the protocol of
// replicated entities (room.go).
package main

import (
	"cmp"
	"context"
	"log"
	"net"
	"os"
	"runtime"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/examples/presence/roompb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

func main() {
	// Whoever starts a user function beside its sidecar says where it listens.
	listener, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "8080")))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("rooms at %s", listener.Addr())
	log.Fatal(newServer().Serve(listener))
}

func newServer() *grpc.Server {
	server := grpc.NewServer()
	cloudstatepb.RegisterEntityDiscoveryServer(server, discovery{})
	crdtpb.RegisterCrdtServer(server, rooms{})
	return server
}

type discovery struct {
	cloudstatepb.UnimplementedEntityDiscoveryServer
}

// Discover says what entities there are, and describes their services.
func (discovery) Discover(context.Context, *cloudstatepb.ProxyInfo) (*cloudstatepb.EntitySpec, error) {
	set := &descriptorpb.FileDescriptorSet{}
	describe(set, roompb.File_com_example_presence_presence_proto)
	files, err := proto.Marshal(set)
	if err != nil {
		return nil, err
	}
	return &cloudstatepb.EntitySpec{
		Proto: files,
		Entities: []*cloudstatepb.Entity{{
			EntityType:    crdtpb.Crdt_ServiceDesc.ServiceName,
			ServiceName:   roompb.Room_ServiceDesc.ServiceName,
			PersistenceId: "room",
		}},
		ServiceInfo: &cloudstatepb.ServiceInfo{
			ServiceName: "presence", ServiceRuntime: runtime.Version(),
			ProtocolMajorVersion: 0, ProtocolMinorVersion: 2,
		},
	}, nil
}

// describe adds a file behind those that it imports.
func describe(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor) {
	for _, there := range set.File {
		if there.GetName() == file.Path() {
			return
		}
	}
	for i := range file.Imports().Len() {
		describe(set, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// ReportError gets what the sidecar has against the user function.
func (discovery) ReportError(_ context.Context, e *cloudstatepb.UserFunctionError) (*emptypb.Empty, error) {
	log.Print(e.GetMessage())
	return &emptypb.Empty{}, nil
}
