package ingress

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// parseScalar reads a value of a path or a query for a field. Numbers may be
// written as the reference proxy takes them: integers of unsigned types also as
// the signed number of the same bits, floating point as in Java.
func parseScalar(f protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	v, ok := scalarOf(f, text)
	if !ok {
		return v, badRequest("%q is not a value for field %s", text, f.Name())
	}
	return v, nil
}

func scalarOf(f protoreflect.FieldDescriptor, text string) (v protoreflect.Value, ok bool) {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), utf8.ValidString(text)
	case protoreflect.BytesKind:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			b, err = base64.RawStdEncoding.DecodeString(text)
		}
		return protoreflect.ValueOfBytes(b), err == nil
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(strings.EqualFold(text, "true")), strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), err == nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), err == nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, ok := parseUnsigned(text, 32)
		return protoreflect.ValueOfUint32(uint32(n)), ok //nolint:gosec // the bits of 32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, ok := parseUnsigned(text, 64)
		return protoreflect.ValueOfUint64(n), ok
	case protoreflect.FloatKind:
		n, ok := parseFloat(text, 32)
		return protoreflect.ValueOfFloat32(float32(n)), ok
	case protoreflect.DoubleKind:
		n, ok := parseFloat(text, 64)
		return protoreflect.ValueOfFloat64(n), ok
	case protoreflect.EnumKind:
		value := f.Enum().Values().ByName(protoreflect.Name(text))
		if value == nil {
			return v, false
		}
		return protoreflect.ValueOfEnum(value.Number()), true
	}
	return v, false
}

// parseUnsigned reads a number without a sign, or the signed one of the same
// bits.
func parseUnsigned(text string, bits int) (uint64, bool) {
	if n, err := strconv.ParseUint(text, 10, bits); err == nil {
		return n, true
	}
	n, err := strconv.ParseInt(text, 10, bits)
	return uint64(n), err == nil //nolint:gosec // the same bits are meant
}

// parseFloat reads a number as Java writes and reads it. One that is too large is
// infinite.
func parseFloat(text string, bits int) (float64, bool) {
	text = strings.Trim(text, " \t\r\n")
	switch strings.TrimLeft(text, "+-") {
	case "NaN":
		return math.NaN(), len(text) <= len("+NaN")
	case "Infinity":
		sign := 1
		if strings.HasPrefix(text, "-") {
			sign = -1
		}
		return math.Inf(sign), len(text) <= len("+Infinity")
	}
	if strings.Trim(text, "0123456789.eE+-") != "" { // other ways to write it, of Go
		return 0, false
	}
	n, err := strconv.ParseFloat(text, bits)
	if err != nil && !math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}
