package koala

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/mallee-io/mallee/wire"
)

// Unknown is a message of a type that is not in this package: applications of
// Koala may add their own. It is to be skipped.
type Unknown struct {
	Type string
}

// TypeName implements Message.
func (m *Unknown) TypeName() string { return m.Type }

func (*Unknown) fields(coder) {}

// Parse reads a meta. A type that is not known gives an *Unknown, and no error.
// Fields that are missing or null are empty, others are dropped, and an actor's
// id may be an integer. An error says that the peer does not speak Koala: the
// connection should be closed.
func Parse(meta []byte) (Message, error) {
	name, object, err := split(meta)
	if err != nil {
		return nil, fmt.Errorf("not a meta: %w", err)
	}
	m := named(name)
	if m == nil {
		return &Unknown{Type: name}, nil
	}
	r, err := newReader(object)
	if err == nil {
		m.fields(r)
		err = r.err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

func split(meta []byte) (name string, object []byte, err error) {
	if len(meta) > wire.MaxFrameMeta {
		return "", nil, fmt.Errorf("%d bytes: at most %d are read", len(meta), wire.MaxFrameMeta)
	}
	if len(meta) == 0 || meta[0] == 0 {
		return "", nil, errors.New("it has no type name")
	}
	n := int(meta[0])
	if n > len(meta)-1 {
		return "", nil, fmt.Errorf("it announces a type name of %d bytes, and has %d", n, len(meta)-1)
	}
	if !utf8.Valid(meta[1 : 1+n]) {
		return "", nil, fmt.Errorf("type name: %w", errUTF8)
	}
	return string(meta[1 : 1+n]), meta[1+n:], nil
}

// reader finds fields in a JSON object by their exact names. (Decoding into a
// struct would take other cases for the same, and bad UTF-8 for good.) Its
// first error stays.
type reader struct {
	values map[string]json.RawMessage
	err    error
}

func newReader(object []byte) (*reader, error) {
	if !utf8.Valid(object) {
		return nil, errUTF8
	}
	if object = bytes.TrimLeft(object, " \t\r\n"); len(object) == 0 || object[0] != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	r := new(reader)
	if err := json.Unmarshal(object, &r.values); err != nil {
		return nil, fmt.Errorf("it is not a JSON object: %w", err)
	}
	return r, nil
}

// value is nil for a field that keeps its default.
func (r *reader) value(name string) []byte {
	v := r.values[name]
	if string(v) == "null" {
		return nil
	}
	return v
}

func (r *reader) fail(name string, value []byte, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s is %.40s: it has to be %s", name, value, want)
	}
}

func (r *reader) text(name string, v *string) {
	value := r.value(name)
	if value == nil {
		return
	}
	if json.Unmarshal(value, v) != nil || hasLoneSurrogate(value) {
		r.fail(name, value, "a string of whole characters")
	}
}

func (r *reader) number(name string, v *int64) {
	value := r.value(name)
	if value == nil {
		return
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		r.fail(name, value, "an integer of 64 bits")
		return
	}
	*v = n
}

func (r *reader) numbers(name string, v *[]int64) {
	if value := r.value(name); value != nil && json.Unmarshal(value, v) != nil {
		r.fail(name, value, "integers of 64 bits")
	}
}

func (r *reader) id(name string, v *string, integer *bool) {
	value := r.value(name)
	if value == nil || value[0] == '"' {
		r.text(name, v)
		return
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		r.fail(name, value, "a string or an integer of 64 bits")
		return
	}
	*v = strconv.FormatInt(n, 10)
	if integer != nil {
		*integer = true
	}
}
