package sidecartest

import (
	"io"
	"slices"

	"google.golang.org/grpc"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
)

// checkReflection asks in the version that the conformance tests know, whose
// messages are those of the current one.
func checkReflection(f *front) {
	const self = "grpc.reflection.v1alpha.ServerReflection"
	var names []string
	for _, e := range f.Record.Spec(f.T).GetEntities() {
		names = append(names, e.GetServiceName())
	}
	slices.Sort(names)
	names = append([]string{self}, names...)
	stream, err := f.conn.NewStream(f.ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+self+"/ServerReflectionInfo")
	if err != nil {
		f.Fatal(err)
	}
	ask := func(req *reflection.ServerReflectionRequest) *reflection.ServerReflectionResponse {
		f.Helper()
		if err := stream.SendMsg(req); err != nil {
			f.Fatal(err)
		}
		resp := new(reflection.ServerReflectionResponse)
		if err := stream.RecvMsg(resp); err != nil {
			f.Fatal(err)
		}
		return resp
	}
	for _, argument := range []string{"", "nonsense.blabla."} {
		resp := ask(&reflection.ServerReflectionRequest{
			MessageRequest: &reflection.ServerReflectionRequest_ListServices{ListServices: argument},
		})
		var listed []string
		for _, s := range resp.GetListServicesResponse().GetService() {
			listed = append(listed, s.GetName())
		}
		if !slices.Equal(listed, names) {
			f.Errorf("list of %q: %q, want %q", argument, listed, names)
		}
	}
	resp := ask(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "nonsense.blabla.Void"},
	})
	if files := resp.GetFileDescriptorResponse(); files == nil || len(files.GetFileDescriptorProto()) > 0 {
		f.Errorf("an unknown symbol: %s", short(resp))
	}
	if err := stream.CloseSend(); err != nil {
		f.Fatal(err)
	}
	if err := stream.RecvMsg(new(reflection.ServerReflectionResponse)); err != io.EOF {
		f.Errorf("reflection ends with %v", err)
	}
}
