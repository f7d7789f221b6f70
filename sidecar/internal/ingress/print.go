package ingress

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// The JSON of messages is written here and not by protojson, which puts spaces
// where it likes and has fields in the order of their declaration: answers are
// compact, have fields by number, and those without presence also when they are
// not set.

// printer writes one answer.
type printer struct {
	types *protoregistry.Types
	anys  int // in which it is
}

const wellKnown = "google.protobuf"

// message appends a message.
func (p *printer) message(b []byte, m protoreflect.Message) ([]byte, error) {
	if m.Descriptor().ParentFile().Package() == wellKnown && hasOwnForm(m.Descriptor().Name()) {
		return p.wellKnown(b, m)
	}
	return p.fields(append(b, '{'), m, true)
}

// fields appends the fields of a message and the brace at their end. First
// says that nothing is between it and the one at their begin.
func (p *printer) fields(b []byte, m protoreflect.Message, first bool) (_ []byte, err error) {
	for _, f := range shown(m) {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, nameOf(f))
		b = append(b, ':')
		if b, err = p.value(b, f, m.Get(f)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func nameOf(f protoreflect.FieldDescriptor) string {
	if f.IsExtension() {
		return "[" + string(f.FullName()) + "]"
	}
	return f.JSONName()
}

// shown are the fields that are printed, by number.
func shown(m protoreflect.Message) []protoreflect.FieldDescriptor {
	all := m.Descriptor().Fields()
	fields := make([]protoreflect.FieldDescriptor, 0, all.Len())
	for i := range all.Len() {
		if f := all.Get(i); m.Has(f) || !f.HasPresence() {
			fields = append(fields, f)
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.IsExtension() {
			fields = append(fields, f)
		}
		return true
	})
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	return fields
}

// value appends the value of a field.
func (p *printer) value(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) (_ []byte, err error) {
	switch {
	case f.IsList():
		b = append(b, '[')
		for i := range v.List().Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = p.one(b, f, v.List().Get(i)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case f.IsMap():
		return p.mapping(b, f, v.Map())
	}
	return p.one(b, f, v)
}

// mapping appends a map, sorted by the texts of its keys.
func (p *printer) mapping(b []byte, f protoreflect.FieldDescriptor, m protoreflect.Map) (_ []byte, err error) {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k.String())
		b = append(b, ':')
		if b, err = p.one(b, f.MapValue(), m.Get(k)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// one appends a single value.
func (p *printer) one(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, error) {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), nil
	case protoreflect.StringKind:
		return appendString(b, v.String()), nil
	case protoreflect.BytesKind:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"'), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(b, v.Int(), 10), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(b, v.Uint(), 10), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return append(strconv.AppendInt(append(b, '"'), v.Int(), 10), '"'), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"'), nil
	case protoreflect.FloatKind:
		return appendFloat(b, v.Float(), 32), nil
	case protoreflect.DoubleKind:
		return appendFloat(b, v.Float(), 64), nil
	case protoreflect.EnumKind:
		return appendEnum(b, f.Enum(), v.Enum()), nil
	default:
		return p.message(b, v.Message())
	}
}

// appendEnum appends the name of a value, or its number when it has none.
func appendEnum(b []byte, of protoreflect.EnumDescriptor, n protoreflect.EnumNumber) []byte {
	if of.FullName() == wellKnown+".NullValue" {
		return append(b, "null"...)
	}
	if v := of.Values().ByNumber(n); v != nil {
		return appendString(b, string(v.Name()))
	}
	return strconv.AppendInt(b, int64(n), 10)
}

// appendFloat appends the shortest text that is the number, without an exponent
// where people would not write one.
func appendFloat(b []byte, n float64, bits int) []byte {
	switch {
	case math.IsNaN(n):
		return append(b, `"NaN"`...)
	case math.IsInf(n, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(n, -1):
		return append(b, `"-Infinity"`...)
	}
	const small, large = 1e-6, 1e21 // as browsers do it
	if abs := math.Abs(n); abs != 0 && (abs < small || abs >= large) {
		return strconv.AppendFloat(b, n, 'e', -1, bits)
	}
	return strconv.AppendFloat(b, n, 'f', -1, bits)
}

// appendString appends a JSON string. Bytes that are not UTF-8, which proto2
// allows, are replaced.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s { // an invalid byte is the replacement character
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ':
			b = append(b, `\u00`...)
			b = append(b, hex[r>>4], hex[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}

// hasOwnForm reports whether a message of google.protobuf is not written as an
// object of its fields.
func hasOwnForm(name protoreflect.Name) bool {
	switch name {
	case "Any", "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue",
		"DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue":
		return true
	}
	return false
}

// wellKnown appends a message that has a form of its own. None but Any has
// fields of messages that have not, so the others are left to protojson.
func (p *printer) wellKnown(b []byte, m protoreflect.Message) ([]byte, error) {
	if m.Descriptor().Name() == "Any" {
		return p.any(b, m)
	}
	text, err := protojson.Marshal(m.Interface())
	if err != nil {
		return nil, unprintable(err)
	}
	compact := bytes.NewBuffer(b)
	if err := json.Compact(compact, text); err != nil {
		return nil, unprintable(err)
	}
	return compact.Bytes(), nil
}

// any appends an Any: the fields of its message after its type, or a message
// with a form of its own under "value".
func (p *printer) any(b []byte, m protoreflect.Message) ([]byte, error) {
	fields := m.Descriptor().Fields()
	url, value := m.Get(fields.ByNumber(1)).String(), m.Get(fields.ByNumber(2)).Bytes()
	if url == "" && len(value) == 0 {
		return append(b, "{}"...), nil
	}
	if p.anys++; p.anys > maxDepth {
		return nil, refuse(codes.Internal, "the reply has no JSON: more than %d messages in one another", maxDepth)
	}
	defer func() { p.anys-- }()
	of, err := p.types.FindMessageByURL(url)
	if err != nil {
		return nil, unprintable(err)
	}
	inner := of.New()
	if err := (proto.UnmarshalOptions{Resolver: p.types, AllowPartial: true}).Unmarshal(value, inner.Interface()); err != nil {
		return nil, unprintable(err)
	}
	b = append(b, `{"@type":`...)
	b = appendString(b, url)
	if d := inner.Descriptor(); d.ParentFile().Package() != wellKnown || !hasOwnForm(d.Name()) && d.Name() != "Empty" {
		return p.fields(b, inner, false)
	}
	b = append(b, `,"value":`...)
	if b, err = p.message(b, inner); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

func unprintable(err error) error {
	return refuse(codes.Internal, "the reply has no JSON: %v", err)
}
