package ingress

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// encode writes a message with its fields in the order of their numbers, as
// generated code of every language but Go does: user functions and those who
// test them compare the bytes. Go has the fields of a oneof last.
func encode(m proto.Message) ([]byte, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, badRequest("the message is not whole: %v", err)
	}
	sortFields(b, m.ProtoReflect().Descriptor())
	return b, nil
}

// span is where a field is in the bytes of its message.
type span struct {
	number     protowire.Number
	start, end int
}

// sortFields puts the fields of an encoded message in order, and those of the
// messages within; no length changes by that. Bytes that are not a message stay
// as they are.
func sortFields(b []byte, of protoreflect.MessageDescriptor) {
	var spans []span
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeField(b[at:])
		if n < 0 {
			return
		}
		if f := of.Fields().ByNumber(number); f != nil && f.Message() != nil {
			sortFields(contents(b[at:at+n], kind), f.Message())
		}
		spans = append(spans, span{number, at, at + n})
		at += n
	}
	byNumber := func(a, b span) int { return int(a.number) - int(b.number) }
	if slices.IsSortedFunc(spans, byNumber) {
		return
	}
	slices.SortStableFunc(spans, byNumber)
	sorted := make([]byte, 0, len(b))
	for _, s := range spans {
		sorted = append(sorted, b[s.start:s.end]...)
	}
	copy(b, sorted)
}

// contents are the bytes of the message in an encoded field.
func contents(field []byte, kind protowire.Type) []byte {
	number, _, n := protowire.ConsumeTag(field)
	switch kind {
	case protowire.BytesType:
		message, _ := protowire.ConsumeBytes(field[n:])
		return message
	case protowire.StartGroupType:
		message, _ := protowire.ConsumeGroup(number, field[n:])
		return message
	}
	return nil
}
