// Package key finds the id of an entity in a message that is for it, without
// decoding the message.
package key

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee"
)

// Numbers of the options of a field that mark it as part of the key: that of
// today, and the one that user functions had before protocol 0.2.
const (
	option       protowire.Number = 1080
	legacyOption protowire.Number = 50002
)

// Key are the fields of a message that make an entity's id. It is safe for
// concurrent use.
type Key struct {
	message protoreflect.FullName
	fields  []field
}

// Of makes the key of a message from its fields that are marked, in the order
// of their declaration. It is nil when there are none, and an error when a field
// cannot be part of a key.
func Of(m protoreflect.MessageDescriptor) (*Key, error) {
	k := &Key{message: m.FullName()}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if !marked(f.Options().ProtoReflect()) {
			continue
		}
		if err := fit(f); err != nil {
			return nil, err
		}
		k.fields = append(k.fields, newField(f))
	}
	if len(k.fields) == 0 {
		return nil, nil
	}
	return k, nil
}

// marked reports whether one of the two options is set, known to the runtime or
// not.
func marked(options protoreflect.Message) (yes bool) {
	options.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if (f.Number() == option || f.Number() == legacyOption) && f.Kind() == protoreflect.BoolKind && !f.IsList() {
			yes = yes || v.Bool()
		}
		return true
	})
	unknown := options.GetUnknown()
	set := map[protowire.Number]bool{}
	for len(unknown) > 0 {
		num, typ, n := protowire.ConsumeField(unknown)
		if n < 0 {
			break // cannot be: the runtime has read it
		}
		if typ == protowire.VarintType && (num == option || num == legacyOption) {
			_, _, tag := protowire.ConsumeTag(unknown)
			v, _ := protowire.ConsumeVarint(unknown[tag:])
			set[num] = v != 0
		}
		unknown = unknown[n:]
	}
	return yes || set[option] || set[legacyOption]
}

// fit says why a field cannot be part of a key: it has no text that stays the
// same, or may be taken back by what follows in the message.
func fit(f protoreflect.FieldDescriptor) error {
	var what string
	switch oneof := f.ContainingOneof(); {
	case f.IsMap():
		what = "a map"
	case f.IsList():
		what = "a repeated field"
	case f.Kind() == protoreflect.BytesKind:
		what = "of type bytes"
	case f.Message() != nil:
		what = "of a message type"
	case oneof != nil && !oneof.IsSynthetic():
		what = "part of the oneof " + string(oneof.Name())
	default:
		return nil
	}
	return fmt.Errorf("field %s is %s and cannot be an entity key: use a string, a number, a bool or an enum", f.FullName(), what)
}

// Read is the id in the bytes of a message: the text of the key's field or, of
// several, their texts joined by "-". An id is never empty. Errors are
// mallee.ErrInvalid, of calls that have not run.
func (k *Key) Read(message []byte) (string, error) {
	var few [4]value
	values := few[:min(len(k.fields), len(few))]
	if len(k.fields) > len(few) {
		values = make([]value, len(k.fields))
	}
	if err := k.scan(message, values); err != nil {
		return "", err
	}
	var short [128]byte
	id := short[:0]
	for i := range k.fields {
		if i > 0 {
			id = append(id, '-')
		}
		if len(id)+len(values[i].text) > mallee.MaxKeyLength { // before it is copied
			return "", k.tooLong()
		}
		id = k.fields[i].append(id, values[i])
	}
	switch {
	case len(id) == 0:
		return "", k.errorf("field %s is empty, and it names the entity", k.fields[0].name)
	case len(id) > mallee.MaxKeyLength:
		return "", k.tooLong()
	}
	return string(id), nil
}

// scan finds the last occurrence of each field.
func (k *Key) scan(b []byte, values []value) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return k.malformed(n)
		}
		if num > protowire.MaxValidNumber {
			return k.errorf("the encoding is malformed: invalid field number")
		}
		b = b[n:]
		i := slices.IndexFunc(k.fields, func(f field) bool { return f.number == num })
		if i < 0 {
			n = protowire.ConsumeFieldValue(num, typ, b)
		} else {
			if typ != k.fields[i].wire {
				return k.errorf("field %s is encoded as another type", k.fields[i].name)
			}
			n = values[i].consume(typ, b)
		}
		if n < 0 {
			return k.malformed(n)
		}
		b = b[n:]
	}
	for i := range values {
		if !values[i].valid() {
			return k.errorf("field %s is not valid UTF-8", k.fields[i].name)
		}
	}
	return nil
}

func (k *Key) malformed(n int) error {
	text := strings.ReplaceAll(protowire.ParseError(n).Error(), "\u00a0", " ") // either, depending on the build
	return k.errorf("the encoding is malformed: %s", strings.TrimPrefix(text, "proto: "))
}

func (k *Key) tooLong() error {
	return k.errorf("the entity id has more than %d bytes", mallee.MaxKeyLength)
}

func (k *Key) errorf(format string, args ...any) error {
	return mallee.ErrInvalid.Errorf("message %s: "+format, append([]any{k.message}, args...)...).BeforeRun()
}
