package replicated

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// Numbers of the fields of a google.protobuf.Any.
const (
	typeURLField protowire.Number = 1
	valueField   protowire.Number = 2
)

// elementOf is an Any as an element, a key or a value of a register: its
// encoding in the one form in which equal Anys are equal bytes. None is as an
// empty one.
func elementOf(a *anypb.Any) string {
	b := make([]byte, 0, len(a.GetTypeUrl())+len(a.GetValue())+2*(1+protowire.SizeVarint(uint64(len(a.GetValue())))))
	if a.GetTypeUrl() != "" {
		b = protowire.AppendString(protowire.AppendTag(b, typeURLField, protowire.BytesType), a.GetTypeUrl())
	}
	if len(a.GetValue()) > 0 {
		b = protowire.AppendBytes(protowire.AppendTag(b, valueField, protowire.BytesType), a.GetValue())
	}
	return string(b)
}

func elementsOf(all []*anypb.Any) []string {
	if len(all) == 0 {
		return nil
	}
	elements := make([]string, len(all))
	for i, a := range all {
		elements[i] = elementOf(a)
	}
	return elements
}

var errElement = errors.New("an element is no google.protobuf.Any: the value was not made by a user function")

// anyOf is the other side of elementOf. What that has not made is an error.
func anyOf(element string) (*anypb.Any, error) {
	a, rest := &anypb.Any{}, []byte(element)
	if value, after, ok := field(rest, typeURLField); ok {
		a.TypeUrl, rest = string(value), after
	}
	if value, after, ok := field(rest, valueField); ok {
		a.Value, rest = value, after
	}
	if len(rest) > 0 || !utf8.ValidString(a.TypeUrl) || elementOf(a) != element {
		return nil, errElement
	}
	return a, nil
}

// field reads a field that stands first in b, if it does.
func field(b []byte, want protowire.Number) (value, rest []byte, ok bool) {
	number, typ, n := protowire.ConsumeTag(b)
	if n < 0 || number != want || typ != protowire.BytesType {
		return nil, nil, false
	}
	value, m := protowire.ConsumeBytes(b[n:])
	if m < 0 {
		return nil, nil, false
	}
	return value, b[n+m:], true
}

func anysOf(elements []string) ([]*anypb.Any, error) {
	if len(elements) == 0 {
		return nil, nil
	}
	all := make([]*anypb.Any, len(elements))
	for i, e := range elements {
		var err error
		if all[i], err = anyOf(e); err != nil {
			return nil, err
		}
	}
	return all, nil
}
