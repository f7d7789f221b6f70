package ingress

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// jsonCodec translates between protobuf and JSON.
type jsonCodec struct{ types *protoregistry.Types }

// maxDepth is how deep messages in JSON may be nested: each Any in another is read
// once more than the outer one.
const maxDepth = 100

// strictness says what becomes of fields that a message does not have.
type strictness bool

const (
	strict   strictness = false // they are an error
	tolerant strictness = true  // they are dropped, as Connect wants it
)

// parse is the protobuf of a message in JSON.
func (c *jsonCodec) parse(of protoreflect.MessageDescriptor, text []byte, s strictness) ([]byte, error) {
	m := dynamicpb.NewMessage(of)
	if err := c.parseInto(m, text, s); err != nil {
		return nil, err
	}
	return encode(m)
}

func (c *jsonCodec) parseInto(m proto.Message, text []byte, s strictness) error {
	err := protojson.UnmarshalOptions{Resolver: c.types, DiscardUnknown: bool(s), RecursionLimit: maxDepth}.Unmarshal(text, m)
	if err != nil {
		return badRequest("the message: %v", err)
	}
	return nil
}

// print appends the JSON of a message in protobuf.
func (c *jsonCodec) print(b []byte, of protoreflect.MessageDescriptor, value []byte) ([]byte, error) {
	m, err := c.decode(of, value)
	if err != nil {
		return nil, err
	}
	p := printer{types: c.types}
	return p.message(b, m)
}

// printField appends the JSON of one field of a message in protobuf.
func (c *jsonCodec) printField(b []byte, f protoreflect.FieldDescriptor, value []byte) ([]byte, error) {
	m, err := c.decode(f.ContainingMessage(), value)
	if err != nil {
		return nil, err
	}
	p := printer{types: c.types}
	return p.value(b, f, m.Get(f))
}

func (c *jsonCodec) decode(of protoreflect.MessageDescriptor, value []byte) (protoreflect.Message, error) {
	m := dynamicpb.NewMessage(of)
	if err := (proto.UnmarshalOptions{Resolver: c.types, AllowPartial: true}).Unmarshal(value, m); err != nil {
		return nil, refuse(codes.Internal, "the reply is not a message %s: %v", of.FullName(), err)
	}
	return m, nil
}
