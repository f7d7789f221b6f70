package plain

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"unicode/utf8"

	"github.com/mallee-io/mallee/wire/pickle"
)

// Encode gives the plain form of a Go value, for pickle.Append. The entries of
// a map come in the order of their keys.
func Encode(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	// A copy that can be addressed: methods of the pointer count, too.
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return newEncoder().encode(p.Elem(), 0)
}

func newEncoder() *encoder { return &encoder{structs: make(structs)} }

type encoder struct{ structs }

func (e *encoder) encode(v reflect.Value, depth int) (any, error) {
	if depth++; depth > pickle.MaxDepth {
		return nil, errDepth
	}
	t := v.Type()
	switch {
	case hasText(t):
		text, err := addressed(v).(encoding.TextMarshaler).MarshalText()
		return string(text), err
	case hasBinary(t):
		return addressed(v).(encoding.BinaryMarshaler).MarshalBinary()
	case isBytes(t):
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return b, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return e.encode(v.Elem(), depth)
	case reflect.Slice, reflect.Array:
		return e.list(v, depth)
	case reflect.Map:
		return e.dict(v, depth)
	case reflect.Struct:
		return e.fieldsOf(v, depth)
	}
	return scalar(v)
}

// addressed is the pointer to v. What stands in a map has no address, and is
// copied.
func addressed(v reflect.Value) any {
	if v.CanAddr() {
		return v.Addr().Interface()
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

func scalar(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return new(big.Int).SetUint64(v.Uint()), nil
		}
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return nil, fmt.Errorf("the string %.40q is not valid UTF-8: send it as []byte", v.String())
		}
		return v.String(), nil
	}
	return nil, fmt.Errorf("a value of type %s has no plain form", v.Type())
}

func (e *encoder) list(v reflect.Value, depth int) (any, error) {
	items := make([]any, v.Len())
	for i := range items {
		var err error
		if items[i], err = e.encode(v.Index(i), depth); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return items, nil
}

func (e *encoder) dict(v reflect.Value, depth int) (any, error) {
	entries := make(pickle.Dict, 0, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		key, err := e.encode(iter.Key(), depth)
		if err != nil {
			return nil, fmt.Errorf("a key: %w", err)
		}
		value, err := e.encode(iter.Value(), depth)
		if err != nil {
			return nil, fmt.Errorf("key %.40v: %w", key, err)
		}
		entries = append(entries, pickle.Pair{Key: key, Value: value})
	}
	slices.SortFunc(entries, func(a, b pickle.Pair) int { return compareKeys(a.Key, b.Key) })
	return entries, nil
}

// compareKeys orders texts and integers; other keys stay as they come.
func compareKeys(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b)
		}
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	}
	return 0
}

func (e *encoder) fieldsOf(v reflect.Value, depth int) (any, error) {
	fields, err := e.fields(v.Type())
	if err != nil {
		return nil, err
	}
	entries := make(pickle.Dict, len(fields))
	for i, f := range fields {
		value, err := e.encode(v.FieldByIndex(f.index), depth)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		entries[i] = pickle.Pair{Key: f.name, Value: value}
	}
	return entries, nil
}
