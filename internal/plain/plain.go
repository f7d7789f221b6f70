// Package plain turns arguments and results into the plain data that foreign
// hosts know, and back: the values of package pickle. It works by reflection,
// as these calls are not the hot path.
//
//	bool                       True or False
//	integers, time.Duration    int
//	floats                     float (read from an int, too, where that is exact)
//	strings                    str
//	[]byte and [n]byte         bytes
//	other slices and arrays    list (read from a tuple, too)
//	maps                       dict
//	structs                    dict, by the names that encoding/json uses
//	pointers                   None, or what they point to
//	encoding.TextMarshaler     str, such as time.Time and mallee.ID
//	encoding.BinaryMarshaler   bytes
//
// Nothing is lost or made up on the way: what does not fit is an error, and so
// is a field that is missing or not known. A nil slice or map is written as an
// empty one, and None is read as nil.
package plain

import (
	"encoding"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/mallee-io/mallee/wire/pickle"
)

// MaxDecoded bounds the memory of what is decoded, in bytes: a small pickle can
// name one value many times, and each time it becomes a value of its own.
const MaxDecoded = 256 << 20

var (
	errDepth = fmt.Errorf("values are nested more than %d deep, or contain themselves", pickle.MaxDepth)
	errRoom  = fmt.Errorf("the values need more than %d bytes", MaxDecoded)
	errNil   = errors.New("a pointer is needed to decode into")
)

var (
	textMarshaler     = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler   = reflect.TypeFor[encoding.TextUnmarshaler]()
	binaryMarshaler   = reflect.TypeFor[encoding.BinaryMarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
)

// hasText reports whether values of the type spell themselves. A pointer does
// not: it can be nil.
func hasText(t reflect.Type) bool { return has(t, textMarshaler, textUnmarshaler) }

func hasBinary(t reflect.Type) bool { return has(t, binaryMarshaler, binaryUnmarshaler) }

func has(t, marshaler, unmarshaler reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() != reflect.Pointer && p.Implements(marshaler) && p.Implements(unmarshaler)
}

func isBytes(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
}

// field is an entry of the dict that a struct becomes.
type field struct {
	name     string
	index    []int
	optional bool // by its tag: omitempty or omitzero
}

// structs remembers the fields of types.
type structs map[reflect.Type][]field

func (s structs) fields(t reflect.Type) ([]field, error) {
	if known, ok := s[t]; ok {
		return known, nil
	}
	found, err := fieldsOf(t, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	names := make(map[string]bool, len(found))
	for _, f := range found {
		if names[f.name] {
			return nil, fmt.Errorf("%s has two fields named %s", t, f.name)
		}
		names[f.name] = true
	}
	s[t] = found
	return found, nil
}

// fieldsOf lists the fields of t, those of embedded structs among them.
func fieldsOf(t reflect.Type, above []int) (found []field, err error) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := append(slices.Clip(above), i)
		switch {
		case f.Name == "_" || f.Tag.Get("json") == "-" || f.Tag.Get("mallee") == "-":
			continue
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct && !hasText(f.Type) && !hasBinary(f.Type):
			inner, err := fieldsOf(f.Type, index)
			if err != nil {
				return nil, err
			}
			found = append(found, inner...)
			continue
		case !f.IsExported():
			return nil, fmt.Errorf("its field %s is not exported and would be lost", f.Name)
		case name == "":
			name = f.Name
		}
		found = append(found, field{name: name, index: index, optional: isOptional(options)})
	}
	return found, nil
}

func isOptional(options string) bool {
	all := strings.Split(options, ",")
	return slices.Contains(all, "omitempty") || slices.Contains(all, "omitzero")
}

// describe names the type of a value as Python does.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []byte:
		return "bytes"
	case []any:
		return "list"
	case pickle.Tuple:
		return "tuple"
	case pickle.Dict:
		return "dict"
	}
	return fmt.Sprintf("%T", v)
}
