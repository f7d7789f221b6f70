package key_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/sidecar/internal/key"
)

// decodedID is the id of a decoded message, whose key fields are those named.
func decodedID(m protoreflect.Message, fields []string) string {
	texts := make([]string, len(fields))
	for i, name := range fields {
		f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		switch v := m.Get(f); f.Kind() {
		case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
			texts[i] = fmt.Sprint(int32(v.Uint()))
		case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
			texts[i] = fmt.Sprint(int64(v.Uint()))
		case protoreflect.EnumKind:
			if known := f.Enum().Values().ByNumber(v.Enum()); known != nil {
				texts[i] = string(known.Name())
			} else {
				texts[i] = fmt.Sprintf("UNKNOWN_ENUM_VALUE_%s_%d", f.Enum().Name(), v.Enum())
			}
		default:
			texts[i] = v.String()
		}
	}
	return strings.Join(texts, "-")
}

// decoded are messages whose keys can be compared with what decoding gives, and
// their key fields.
func decoded() map[string][]string {
	return map[string][]string{
		"String": {"id"}, "Int32": {"id"}, "Int64": {"id"}, "Sint32": {"id"}, "Sint64": {"id"}, "Uint32": {"id"}, "Uint64": {"id"},
		"Fixed32": {"id"}, "Fixed64": {"id"}, "Sfixed32": {"id"}, "Sfixed64": {"id"}, "Bool": {"id"}, "Enum": {"id"},
		"Two": {"first", "last"}, "Six": {"a", "b", "c", "d", "e", "f"},
	}
}

// subject is a message of them with its key.
type subject struct {
	message protoreflect.MessageDescriptor
	key     *key.Key
	fields  []string
}

func subjects(t testing.TB) map[string]subject {
	t.Helper()
	all := map[string]subject{}
	for name, fields := range decoded() {
		all[name] = subject{message(t, name), of(t, name), fields}
	}
	return all
}

// Whatever a message has, its id is that of its decoded fields.
func TestReadAsDecoded(t *testing.T) {
	t.Parallel()
	for name, s := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := dynamicpb.NewMessage(s.message)
				for i := range s.message.Fields().Len() {
					f := s.message.Fields().Get(i)
					if rapid.Bool().Draw(t, "set") {
						m.Set(f, draw(t, f))
					}
				}
				encoded, err := proto.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				want := decodedID(m, s.fields)
				if id, err := s.key.Read(encoded); id != want || (err != nil) != (want == "") {
					t.Fatalf("id %q, %v, want %q", id, err, want)
				}
			})
		})
	}
}

func draw(t *rapid.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.StringN(-1, -1, 100).Draw(t, "string"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(-4, 4).Draw(t, "enum")))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	default:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	}
}

// What does not decode has no id, and what does has that of its decoded fields,
// unless it has none for a reason.
func FuzzRead(f *testing.F) {
	all := subjects(f)
	for _, encoded := range []string{
		text(1, "a"), varint(1, 1) + varint(1, 0), fixed32(1, 9) + group(3, text(1, "x")), fixed64(1, 8),
		text(7, "x") + varint(3, 1<<33), text(6, "x"), "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		f.Add([]byte(encoded))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		for name, s := range all {
			id, err := s.key.Read(encoded)
			m := dynamicpb.NewMessage(s.message)
			bad := proto.Unmarshal(encoded, m)
			switch {
			case bad != nil:
				// Text that is not UTF-8 may be in another field or be overwritten.
				if err == nil && !strings.Contains(bad.Error(), "UTF-8") {
					t.Errorf("%s: id %q, but it does not decode: %v", name, id, bad)
				}
			case err != nil:
				if text := err.Error(); !strings.HasSuffix(text, "is empty, and it names the entity") &&
					!strings.HasSuffix(text, "is encoded as another type") && !strings.HasSuffix(text, "has more than 1024 bytes") {
					t.Errorf("%s: %v, but it decodes", name, err)
				}
			default:
				if want := decodedID(m, s.fields); id != want {
					t.Errorf("%s: id %q, but decoded it is %q", name, id, want)
				}
			}
		}
	})
}
