package key

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// field is one field of a key.
type field struct {
	name   protoreflect.Name
	number protowire.Number
	wire   protowire.Type
	kind   protoreflect.Kind
	enum   protoreflect.EnumDescriptor // of enums
	unset  []byte                      // its text when it is not in the message
}

// value is what a message has in a field.
type value struct {
	set    bool
	number uint64
	text   []byte // of strings, within the message
}

func newField(d protoreflect.FieldDescriptor) field {
	f := field{name: d.Name(), number: d.Number(), wire: wireType(d.Kind()), kind: d.Kind(), enum: d.Enum()}
	f.unset = f.append(nil, encoded(d.Kind(), d.Default()))
	return f
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// encoded is a decoded value as a message would have it.
func encoded(k protoreflect.Kind, v protoreflect.Value) value {
	switch k {
	case protoreflect.StringKind:
		return value{set: true, text: []byte(v.String())}
	case protoreflect.BoolKind:
		return value{set: true, number: protowire.EncodeBool(v.Bool())}
	case protoreflect.EnumKind:
		return value{set: true, number: uint64(v.Enum())}
	case protoreflect.FloatKind:
		return value{set: true, number: uint64(math.Float32bits(float32(v.Float())))}
	case protoreflect.DoubleKind:
		return value{set: true, number: math.Float64bits(v.Float())}
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return value{set: true, number: protowire.EncodeZigZag(v.Int())}
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return value{set: true, number: v.Uint()}
	}
	return value{set: true, number: uint64(v.Int())}
}

// consume takes a value off the message, and returns its length or, as
// protowire does, a negative error.
func (v *value) consume(t protowire.Type, b []byte) (n int) {
	v.set = true
	switch t {
	case protowire.BytesType:
		v.text, n = protowire.ConsumeBytes(b)
	case protowire.Fixed32Type:
		var fixed uint32
		fixed, n = protowire.ConsumeFixed32(b)
		v.number = uint64(fixed)
	case protowire.Fixed64Type:
		v.number, n = protowire.ConsumeFixed64(b)
	default:
		v.number, n = protowire.ConsumeVarint(b)
	}
	return n
}

func (v *value) valid() bool { return utf8.Valid(v.text) }

// append writes the text of a value. The texts are those of Cloudstate's own
// proxy, which prints the values of Java: the ids are stored, and have to stay.
func (f *field) append(id []byte, v value) []byte {
	if !v.set {
		return append(id, f.unset...)
	}
	switch f.kind {
	case protoreflect.StringKind:
		return append(id, v.text...)
	case protoreflect.BoolKind:
		return strconv.AppendBool(id, protowire.DecodeBool(v.number))
	case protoreflect.EnumKind:
		return f.appendEnum(id, int32(v.number))
	case protoreflect.FloatKind:
		return appendFloat(id, float64(math.Float32frombits(uint32(v.number))), 32)
	case protoreflect.DoubleKind:
		return appendFloat(id, math.Float64frombits(v.number), 64)
	case protoreflect.Sint32Kind:
		return strconv.AppendInt(id, int64(int32(protowire.DecodeZigZag(v.number&math.MaxUint32))), 10)
	case protoreflect.Sint64Kind:
		return strconv.AppendInt(id, protowire.DecodeZigZag(v.number), 10)
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendInt(id, int64(int32(v.number)), 10)
	}
	return strconv.AppendInt(id, int64(v.number), 10)
}

func (f *field) appendEnum(id []byte, number int32) []byte {
	if v := f.enum.Values().ByNumber(protoreflect.EnumNumber(number)); v != nil {
		return append(id, v.Name()...)
	}
	id = append(id, "UNKNOWN_ENUM_VALUE_"...)
	id = append(id, f.enum.Name()...)
	return strconv.AppendInt(append(id, '_'), int64(number), 10)
}

// appendFloat writes a number as Java does: the shortest digits that tell it
// apart but at least two, with an exponent below 0.001 and from ten million on.
func appendFloat(id []byte, x float64, bits int) []byte {
	switch {
	case math.IsNaN(x):
		return append(id, "NaN"...)
	case math.IsInf(x, 0):
		return append(id, strings.TrimPrefix(strconv.FormatFloat(x, 'f', -1, bits), "+")+"inity"...)
	}
	if size := math.Abs(x); size != 0 && (size < 1e-3 || size >= 1e7) {
		return appendExponent(id, x, bits)
	}
	start := len(id)
	id = strconv.AppendFloat(id, x, 'f', -1, bits)
	if !bytes.Contains(id[start:], []byte{'.'}) {
		id = append(id, ".0"...)
	}
	return id
}

func appendExponent(id []byte, x float64, bits int) []byte {
	text := strconv.FormatFloat(x, 'E', -1, bits)
	if !strings.Contains(text, ".") {
		text = strconv.FormatFloat(x, 'E', 1, bits)
	}
	digits, exponent, _ := strings.Cut(text, "E")
	n, _ := strconv.Atoi(exponent) // without the plus sign and the zeros in front
	return strconv.AppendInt(append(append(id, digits...), 'E'), int64(n), 10)
}
