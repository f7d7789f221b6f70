package key_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/key"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
)

// keyed has a message for each type that a key can have, named after it, with
// the key under number 1; and some of several fields.
const keyed = `
syntax = "proto3";
package keyed;
import "cloudstate/entity_key.proto";
import "cloudstate/legacy_entity_key.proto";

enum Color { RED = 0; BLUE = 1; AZURE = 2; }

message String { string id = 1 [(cloudstate.entity_key) = true]; bytes other = 2; }
message Int32 { int32 id = 1 [(cloudstate.entity_key) = true]; }
message Int64 { int64 id = 1 [(cloudstate.entity_key) = true]; }
message Sint32 { sint32 id = 1 [(cloudstate.entity_key) = true]; }
message Sint64 { sint64 id = 1 [(cloudstate.entity_key) = true]; }
message Uint32 { uint32 id = 1 [(cloudstate.entity_key) = true]; }
message Uint64 { uint64 id = 1 [(cloudstate.entity_key) = true]; }
message Fixed32 { fixed32 id = 1 [(cloudstate.entity_key) = true]; }
message Fixed64 { fixed64 id = 1 [(cloudstate.entity_key) = true]; }
message Sfixed32 { sfixed32 id = 1 [(cloudstate.entity_key) = true]; }
message Sfixed64 { sfixed64 id = 1 [(cloudstate.entity_key) = true]; }
message Bool { bool id = 1 [(cloudstate.entity_key) = true]; }
message Enum { Color id = 1 [(cloudstate.entity_key) = true]; }
message Float { float id = 1 [(cloudstate.entity_key) = true]; }
message Double { double id = 1 [(cloudstate.entity_key) = true]; }
message Optional { optional string id = 1 [(cloudstate.entity_key) = true]; }

// Two counts the order of declaration, not of numbers.
message Two {
  string second = 1;
  string first = 7 [(cloudstate.entity_key) = true];
  int32 last = 3 [(cloudstate.legacy_entity_key) = true];
}
message Six {
  string a = 1 [(cloudstate.entity_key) = true];
  string b = 2 [(cloudstate.entity_key) = true];
  string c = 3 [(cloudstate.entity_key) = true];
  string d = 4 [(cloudstate.entity_key) = true];
  string e = 5 [(cloudstate.entity_key) = true];
  Color f = 6 [(cloudstate.entity_key) = true];
}

message None { string id = 1; Nested nested = 2; message Nested { string id = 1 [(cloudstate.entity_key) = true]; } }
message Off { string id = 1 [(cloudstate.entity_key) = false]; }
message Bytes { bytes id = 1 [(cloudstate.entity_key) = true]; }
message Message { None id = 1 [(cloudstate.entity_key) = true]; }
message Repeated { repeated string id = 1 [(cloudstate.entity_key) = true]; }
message Map { map<string, string> id = 1 [(cloudstate.entity_key) = true]; }
message Oneof { oneof one { string id = 1 [(cloudstate.entity_key) = true]; string other = 2; } }
`

const proto2 = `
syntax = "proto2";
package keyed2;
import "cloudstate/entity_key.proto";
message Defaults {
  optional string a = 1 [(cloudstate.entity_key) = true, default = "x"];
  optional sint32 b = 2 [(cloudstate.entity_key) = true, default = -5];
  optional fixed32 c = 3 [(cloudstate.entity_key) = true, default = 4294967295];
  optional float d = 4 [(cloudstate.entity_key) = true, default = 1.5];
  optional E e = 5 [(cloudstate.entity_key) = true, default = B];
  optional bool f = 6 [(cloudstate.entity_key) = true, default = true];
  optional double g = 7 [(cloudstate.entity_key) = true, default = inf];
}
enum E { A = 3; B = 4; }
message Group { optional group Id = 1 [(cloudstate.entity_key) = true] { optional string x = 1; } }
`

func message(t testing.TB, name string) protoreflect.MessageDescriptor {
	t.Helper()
	files := spectest.Compile(t, map[string]string{"keyed.proto": keyed, "proto2.proto": proto2}, "keyed.proto", "proto2.proto")
	for _, f := range files {
		if m := f.Messages().ByName(protoreflect.Name(name)); m != nil {
			return m
		}
	}
	t.Fatalf("no message %s", name)
	return nil
}

func of(t testing.TB, name string) *key.Key {
	t.Helper()
	k, err := key.Of(message(t, name))
	if k == nil || err != nil {
		t.Fatalf("%s: %v, %v", name, k, err)
	}
	return k
}

// Parts of encoded messages.

func varint(number protowire.Number, v uint64) string {
	return string(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v))
}

func text(number protowire.Number, v string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v))
}

func fixed32(number protowire.Number, v uint32) string {
	return string(protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), v))
}

func fixed64(number protowire.Number, v uint64) string {
	return string(protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), v))
}

func group(number protowire.Number, inside string) string {
	return string(protowire.AppendTag(nil, number, protowire.StartGroupType)) + inside +
		string(protowire.AppendTag(nil, number, protowire.EndGroupType))
}

func TestRead(t *testing.T) {
	t.Parallel()
	minus := func(n int64) uint64 { return uint64(-n) }
	float := func(x float32) string { return fixed32(1, math.Float32bits(x)) }
	double := func(x float64) string { return fixed64(1, math.Float64bits(x)) }
	for _, test := range []struct{ message, encoded, id string }{
		{"String", text(1, "abc"), "abc"},
		{"String", text(1, "grüße-/ %"), "grüße-/ %"},
		{"String", text(2, "\xff") + text(1, "a") + varint(9, 1) + text(1, "b") + group(3, text(1, "c")), "b"},
		{"String", text(1, strings.Repeat("x", mallee.MaxKeyLength)), strings.Repeat("x", mallee.MaxKeyLength)},
		{"String", text(1, "\xff") + text(1, "good"), "good"},
		{"Optional", text(1, "abc"), "abc"},

		{"Int32", "", "0"},
		{"Int32", varint(1, 12), "12"},
		{"Int32", varint(1, minus(12)), "-12"},
		{"Int32", varint(1, math.MaxUint32), "-1"}, // five bytes, as some encoders write it
		{"Int64", varint(1, minus(math.MaxInt64)), "-9223372036854775807"},
		{"Sint32", "", "0"},
		{"Sint32", varint(1, 3), "-2"},
		{"Sint32", varint(1, 1<<40|3), "-2"},
		{"Sint64", varint(1, math.MaxUint64), "-9223372036854775808"},
		{"Uint32", varint(1, math.MaxUint32), "-1"},
		{"Uint64", varint(1, math.MaxUint64), "-1"},
		{"Uint64", varint(1, 1<<63-1), "9223372036854775807"},
		{"Fixed32", fixed32(1, 1<<31), "-2147483648"},
		{"Fixed64", fixed64(1, 1<<63), "-9223372036854775808"},
		{"Sfixed32", fixed32(1, 1<<31), "-2147483648"},
		{"Sfixed64", fixed64(1, 5), "5"},

		{"Bool", "", "false"},
		{"Bool", varint(1, 1), "true"},
		{"Bool", varint(1, 1<<32), "true"},
		{"Enum", "", "RED"},
		{"Enum", varint(1, 2), "AZURE"},
		{"Enum", varint(1, 77), "UNKNOWN_ENUM_VALUE_Color_77"},
		{"Enum", varint(1, minus(3)), "UNKNOWN_ENUM_VALUE_Color_-3"},

		{"Float", "", "0.0"},
		{"Float", float(0.1), "0.1"},
		{"Float", float(16777216), "1.6777216E7"},
		{"Double", double(1), "1.0"},
		{"Double", double(math.Copysign(0, -1)), "-0.0"},
		{"Double", double(0.001), "0.001"},
		{"Double", double(0.0001), "1.0E-4"},
		{"Double", double(9999999.5), "9999999.5"},
		{"Double", double(1e7), "1.0E7"},
		{"Double", double(-1.25e100), "-1.25E100"},
		{"Double", double(math.SmallestNonzeroFloat64), "4.9E-324"},
		{"Double", double(math.NaN()), "NaN"},
		{"Double", double(math.Inf(1)), "Infinity"},
		{"Double", double(math.Inf(-1)), "-Infinity"},

		{"Two", varint(3, 5) + text(1, "no") + text(7, "a-b"), "a-b-5"},
		{"Two", "", "-0"},
		{"Six", text(5, "5") + text(1, "1"), "1----5-RED"},
		{"Defaults", "", "x--5--1-1.5-B-true-Infinity"},
		{"Defaults", text(1, "") + varint(5, 3), "--5--1-1.5-A-true-Infinity"},
	} {
		id, err := of(t, test.message).Read([]byte(test.encoded))
		if err != nil || id != test.id {
			t.Errorf("%s %x: id %q, %v, want %q", test.message, test.encoded, id, err, test.id)
		}
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ message, encoded, want string }{
		{"String", "", "message keyed.String: field id is empty, and it names the entity"},
		{"String", text(1, "a") + text(1, ""), "message keyed.String: field id is empty, and it names the entity"},
		{"Optional", "", "message keyed.Optional: field id is empty, and it names the entity"},
		{"String", text(1, "a\xff"), "message keyed.String: field id is not valid UTF-8"},
		{"String", text(1, strings.Repeat("x", mallee.MaxKeyLength+1)), "message keyed.String: the entity id has more than 1024 bytes"},
		{"Two", text(7, strings.Repeat("x", mallee.MaxKeyLength-1)), "message keyed.Two: the entity id has more than 1024 bytes"},
		{"String", varint(1, 1), "message keyed.String: field id is encoded as another type"},
		{"Int32", fixed32(1, 1), "message keyed.Int32: field id is encoded as another type"},
		{"String", text(1, "abc")[:4], "message keyed.String: the encoding is malformed: unexpected EOF"},
		{"String", "\x80", "message keyed.String: the encoding is malformed: unexpected EOF"},
		{"String", "\x00\x00", "message keyed.String: the encoding is malformed: invalid field number"},
		{"String", varint(1<<29, 0) + text(1, "a"), "message keyed.String: the encoding is malformed: invalid field number"},
		{"String", group(3, "")[:1], "message keyed.String: the encoding is malformed: unexpected EOF"},
		{"String", group(3, "")[1:], "message keyed.String: the encoding is malformed: mismatching end group marker"},
		{"String", "\x17", "message keyed.String: the encoding is malformed: cannot parse reserved wire type"},
	} {
		id, err := of(t, test.message).Read([]byte(test.encoded))
		var e *mallee.Error
		if !errors.As(err, &e) || id != "" || e.Code != mallee.CodeInvalid || !e.NotRun || e.Message != test.want {
			t.Errorf("%s %.40x: id %q, error %v, want %q", test.message, test.encoded, id, err, test.want)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"None": "", "Off": "",
		"Bytes":    "field keyed.Bytes.id is of type bytes",
		"Message":  "field keyed.Message.id is of a message type",
		"Group":    "field keyed2.Group.id is of a message type",
		"Repeated": "field keyed.Repeated.id is a repeated field",
		"Map":      "field keyed.Map.id is a map",
		"Oneof":    "field keyed.Oneof.id is part of the oneof one",
	} {
		k, err := key.Of(message(t, name))
		if want != "" {
			want += " and cannot be an entity key: use a string, a number, a bool or an enum"
		}
		if k != nil || (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, %v, want %s", name, k, err, want)
		}
	}
}

// Options that the runtime does not know are unknown fields of the descriptor.
func TestOfUnknownOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options string
		key     bool
	}{
		{varint(1080, 1), true},
		{varint(50002, 1), true},
		{varint(50002, 1) + varint(1080, 0), true},
		{varint(1080, 1) + varint(1080, 0), false},
		{varint(1081, 1), false},
		{text(1080, "\x01"), false},
	} {
		var options descriptorpb.FieldOptions
		if err := (proto.UnmarshalOptions{Resolver: noExtensions{}}).Unmarshal([]byte(test.options), &options); err != nil {
			t.Fatal(err)
		}
		f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String("f.proto"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M"), Field: []*descriptorpb.FieldDescriptorProto{{
				Name: proto.String("id"), Number: proto.Int32(1), Options: &options,
				Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}}}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := key.Of(f.Messages().Get(0))
		if err != nil || (k != nil) != test.key {
			t.Errorf("options %x: %v, %v", test.options, k, err)
		}
	}
}

type noExtensions struct{}

func (noExtensions) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

func (noExtensions) FindExtensionByNumber(protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

func BenchmarkRead(b *testing.B) {
	for name, encoded := range map[string][]byte{
		"String": []byte(text(1, "a user's id") + text(2, strings.Repeat("x", 100))),
		"Two":    []byte(text(7, "a user's id") + varint(3, 100)),
	} {
		k := of(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Read(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestReadAllocatesOnlyTheID(t *testing.T) {
	encoded := []byte(text(1, "a user's id") + text(2, "more"))
	k := of(t, "String")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := k.Read(encoded); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
