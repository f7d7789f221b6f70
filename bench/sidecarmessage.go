package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// The services of the user function. The messages of all their methods are
//
//	message Message {
//	  string key = 1 [(cloudstate.entity_key) = true];
//	  string text = 2;
//	}
const (
	echoService   = "bench.Echoer"
	ledgerService = "bench.Ledger"
	messageURL    = "type.googleapis.com/bench.Message"

	echoPath = "/" + echoService + "/Echo"
	addPath  = "/" + ledgerService + "/Add"
)

func appendMessage(b []byte, key, text string) []byte {
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, key)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendString(b, text)
}

// textOf is the text of a Message.
func textOf(msg []byte) (string, error) {
	for len(msg) > 0 {
		field, typ, n := protowire.ConsumeTag(msg)
		if n < 0 || typ != protowire.BytesType {
			return "", errors.New("this is not a message of strings")
		}
		v, m := protowire.ConsumeBytes(msg[n:])
		if m < 0 {
			return "", protowire.ParseError(m)
		}
		if field == 2 {
			return string(v), nil
		}
		msg = msg[n+m:]
	}
	return "", nil
}

// descriptors are what the user function's compiler of .proto files would make.
func descriptors() ([]byte, error) {
	key := new(descriptorpb.FieldOptions)
	proto.SetExtension(key, cloudstatepb.E_EntityKey, true)
	field := func(name string, number int32, options *descriptorpb.FieldOptions) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Options: options,
			Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	service := func(name, method string) *descriptorpb.ServiceDescriptorProto {
		return &descriptorpb.ServiceDescriptorProto{Name: &name, Method: []*descriptorpb.MethodDescriptorProto{{
			Name: &method, InputType: proto.String(".bench.Message"), OutputType: proto.String(".bench.Message"),
		}}}
	}
	options := protodesc.ToFileDescriptorProto(cloudstatepb.File_cloudstate_entity_key_proto)
	return proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto), options,
		{
			Name: proto.String("bench.proto"), Package: proto.String("bench"), Syntax: proto.String("proto3"),
			Dependency: []string{options.GetName()},
			MessageType: []*descriptorpb.DescriptorProto{{
				Name:  proto.String("Message"),
				Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, key), field("text", 2, nil)},
			}},
			Service: []*descriptorpb.ServiceDescriptorProto{service("Echoer", "Echo"), service("Ledger", "Add")},
		},
	}})
}

// rawCodec takes and gives the bytes of messages, as *[]byte.
type rawCodec struct{}

var _ encoding.Codec = rawCodec{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	raw, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not the bytes of a message", v)
	}
	return *raw, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	raw, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T cannot take the bytes of a message", v)
	}
	*raw = data
	return nil
}

// rawConn is one connection over which messages go as bytes.
type rawConn struct{ *grpc.ClientConn }

func dialRaw(addr string) (rawConn, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{})))
	return rawConn{conn}, err
}

func (c rawConn) call(ctx context.Context, path string, msg []byte) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return answer, c.Invoke(ctx, path, &msg, &answer)
}

// say has a message answered, and returns the text of the answer.
func (c rawConn) say(ctx context.Context, path, key, text string) (string, error) {
	answer, err := c.call(ctx, path, appendMessage(nil, key, text))
	if err != nil {
		return "", err
	}
	return textOf(answer)
}
