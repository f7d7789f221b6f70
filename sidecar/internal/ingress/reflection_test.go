package ingress_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/sidecar/internal/ingress"
)

func TestReflectionList(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, ingress.Config{}))
	old, err := conn.NewStream(patient(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, argument := range []string{"", "*", "services"} {
		question := &grpc_reflection_v1.ServerReflectionRequest{
			Host:           "h",
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{ListServices: argument},
		}
		if err := old.SendMsg(question); err != nil {
			t.Fatal(err)
		}
		var answer grpc_reflection_v1.ServerReflectionResponse
		if err := old.RecvMsg(&answer); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range answer.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		if got := strings.Join(names, " "); got != "grpc.reflection.v1alpha.ServerReflection shop.Echo shop.Shop" {
			t.Errorf("%q", got)
		}
		if !proto.Equal(answer.GetOriginalRequest(), question) || answer.GetValidHost() == "" {
			t.Errorf("%v", &answer)
		}
	}
}

func TestReflectionFiles(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, ingress.Config{}))
	s, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	type request = grpc_reflection_v1.ServerReflectionRequest
	symbol := func(name string) *request {
		return &request{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
	}
	file := func(path string) *request {
		return &request{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: path}}
	}
	extension := func(of string, n int32) *request {
		return &request{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &grpc_reflection_v1.ExtensionRequest{ContainingType: of, ExtensionNumber: n},
		}}
	}
	for _, c := range []struct {
		question *request
		want     string // path; empty: no file
	}{
		{symbol("shop.Echo"), "shop.proto"},
		{symbol("shop.Echo.Unary"), "shop.proto"},
		{symbol("shop.Line"), "shop.proto"},
		{symbol("shop.Kitchen.CountsEntry"), "shop.proto"},
		{symbol("grpc.health.v1.Health"), "grpc/health/v1/health.proto"},
		{symbol("shop.Unknown"), ""},
		{symbol(""), ""},
		{symbol("..."), ""},
		{file("shop.proto"), "shop.proto"},
		{file("google/protobuf/empty.proto"), "google/protobuf/empty.proto"},
		{file("other.proto"), ""},
		{extension("google.protobuf.MethodOptions", 72295728), "google/api/annotations.proto"},
		{extension("google.protobuf.MethodOptions", 1), ""},
	} {
		if err := s.Send(c.question); err != nil {
			t.Fatal(err)
		}
		answer, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		files := answer.GetFileDescriptorResponse()
		if files == nil || c.want == "" && len(files.GetFileDescriptorProto()) > 0 || c.want != "" && len(files.GetFileDescriptorProto()) != 1 {
			t.Errorf("%v: %v", c.question, answer)
			continue
		}
		for _, b := range files.GetFileDescriptorProto() {
			var f descriptorpb.FileDescriptorProto
			if err := proto.Unmarshal(b, &f); err != nil || f.GetName() != c.want {
				t.Errorf("%v: %s %v, want %s", c.question, f.GetName(), err, c.want)
			}
		}
	}
	numbers := &request{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_AllExtensionNumbersOfType{
		AllExtensionNumbersOfType: "google.protobuf.MethodOptions",
	}}
	if err := s.Send(numbers); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Recv()
	if err != nil || len(answer.GetAllExtensionNumbersResponse().GetExtensionNumber()) == 0 {
		t.Errorf("%v %v", answer, err)
	}
	if err := s.Send(&request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a question without any: %v", err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	ready := make(chan bool, 16)
	conn := dial(t, serve(t, ingress.Config{Ready: func() bool { return <-ready }}))
	client := grpc_health_v1.NewHealthClient(conn)
	for _, want := range []bool{true, false} {
		ready <- want
		answer, err := client.Check(patient(t), &grpc_health_v1.HealthCheckRequest{Service: "shop.Echo"})
		if err != nil || (answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING) != want {
			t.Errorf("%v %v", answer, err)
		}
	}
	if _, err := client.Check(patient(t), &grpc_health_v1.HealthCheckRequest{Service: "other"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
	watch, err := client.Watch(patient(t), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []bool{false, false, true} {
		ready <- state
	}
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{
		grpc_health_v1.HealthCheckResponse_NOT_SERVING, grpc_health_v1.HealthCheckResponse_SERVING,
	} {
		if answer, err := watch.Recv(); err != nil || answer.GetStatus() != want {
			t.Errorf("%v %v, want %v", answer, err, want)
		}
	}
	close(ready)
}
