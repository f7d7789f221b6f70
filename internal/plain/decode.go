package plain

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"unicode/utf8"

	"github.com/mallee-io/mallee/wire/pickle"
)

// Decode puts a plain value, as pickle.Parse gives it, into what target points
// to. After an error the target holds no meaning.
func Decode(v, target any) error {
	into := reflect.ValueOf(target)
	if into.Kind() != reflect.Pointer || into.IsNil() {
		return errNil
	}
	return newDecoder().decode(v, into.Elem(), 0)
}

func newDecoder() *decoder { return &decoder{structs: make(structs), room: MaxDecoded} }

type decoder struct {
	structs
	room int // bytes that may still be allocated
}

func (d *decoder) take(n int, t reflect.Type) error {
	if size := int(t.Size()) + 1; n > d.room/size {
		return errRoom
	}
	d.room -= n * (int(t.Size()) + 1)
	return nil
}

func mismatch(v any, into reflect.Value, want string) error {
	return fmt.Errorf("expected %s for %s, got %s", want, into.Type(), describe(v))
}

func (d *decoder) decode(v any, into reflect.Value, depth int) error {
	if depth++; depth > pickle.MaxDepth {
		return errDepth
	}
	t := into.Type()
	switch {
	case hasText(t):
		s, ok := v.(string)
		if !ok {
			return mismatch(v, into, "str")
		}
		return into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	case hasBinary(t):
		b, ok := v.([]byte)
		if !ok {
			return mismatch(v, into, "bytes")
		}
		return into.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
	case isBytes(t):
		return d.bytes(v, into)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.pointer(v, into, depth)
	case reflect.Slice, reflect.Array:
		return d.list(v, into, depth)
	case reflect.Map:
		return d.dict(v, into, depth)
	case reflect.Struct:
		return d.fieldsOf(v, into, depth)
	}
	return setScalar(v, into)
}

func (d *decoder) pointer(v any, into reflect.Value, depth int) error {
	if v == nil {
		into.SetZero()
		return nil
	}
	if err := d.take(1, into.Type().Elem()); err != nil {
		return err
	}
	into.Set(reflect.New(into.Type().Elem()))
	return d.decode(v, into.Elem(), depth)
}

func (d *decoder) bytes(v any, into reflect.Value) error {
	b, ok := v.([]byte)
	if !ok && (v != nil || into.Kind() == reflect.Array) {
		return mismatch(v, into, "bytes")
	}
	if into.Kind() == reflect.Array {
		if len(b) != into.Len() {
			return fmt.Errorf("expected %d bytes for %s, got %d", into.Len(), into.Type(), len(b))
		}
		reflect.Copy(into, reflect.ValueOf(b))
		return nil
	}
	if err := d.take(len(b), into.Type().Elem()); err != nil {
		return err
	}
	into.SetZero()
	if b != nil { // a copy, since a pickle may share it
		into.Set(reflect.MakeSlice(into.Type(), len(b), len(b)))
		reflect.Copy(into, reflect.ValueOf(b))
	}
	return nil
}

func (d *decoder) list(v any, into reflect.Value, depth int) error {
	items, ok := itemsOf(v)
	isArray := into.Kind() == reflect.Array
	switch {
	case v == nil && !isArray:
		into.SetZero()
		return nil
	case !ok:
		return mismatch(v, into, "list")
	case isArray && len(items) != into.Len():
		return fmt.Errorf("expected %d items for %s, got %d", into.Len(), into.Type(), len(items))
	case !isArray:
		if err := d.take(len(items), into.Type().Elem()); err != nil {
			return err
		}
		into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	}
	for i, item := range items {
		if err := d.decode(item, into.Index(i), depth); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func itemsOf(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case pickle.Tuple:
		return v, true
	}
	return nil, false
}

func (d *decoder) dict(v any, into reflect.Value, depth int) error {
	entries, ok := v.(pickle.Dict)
	t := into.Type()
	switch {
	case v == nil:
		into.SetZero()
		return nil
	case !ok:
		return mismatch(v, into, "dict")
	}
	if err := d.take(2*len(entries), t.Key()); err != nil {
		return err
	}
	if err := d.take(2*len(entries), t.Elem()); err != nil { // a map is never quite full
		return err
	}
	into.Set(reflect.MakeMapWithSize(t, len(entries)))
	for _, entry := range entries {
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err := d.decode(entry.Key, key, depth); err != nil {
			return fmt.Errorf("a key: %w", err)
		}
		if err := d.decode(entry.Value, value, depth); err != nil {
			return fmt.Errorf("key %.40v: %w", entry.Key, err)
		}
		into.SetMapIndex(key, value)
	}
	return nil
}

func (d *decoder) fieldsOf(v any, into reflect.Value, depth int) error {
	entries, ok := v.(pickle.Dict)
	if !ok {
		return mismatch(v, into, "dict")
	}
	fields, err := d.fields(into.Type())
	if err != nil {
		return err
	}
	values, err := byName(entries)
	if err != nil {
		return err
	}
	into.SetZero()
	for _, f := range fields {
		value, there := values[f.name]
		switch {
		case there:
			delete(values, f.name)
		case f.optional:
			continue
		default:
			return fmt.Errorf("field %s is missing", f.name)
		}
		if err := d.decode(value, into.FieldByIndex(f.index), depth); err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	for _, entry := range entries {
		if _, left := values[entry.Key.(string)]; left {
			return fmt.Errorf("%s has no field %.40q", into.Type(), entry.Key)
		}
	}
	return nil
}

// byName lists the entries of a dict whose keys are texts.
func byName(entries pickle.Dict) (map[string]any, error) {
	values := make(map[string]any, len(entries))
	for _, entry := range entries {
		name, ok := entry.Key.(string)
		if !ok {
			return nil, fmt.Errorf("expected str as the key of a field, got %s", describe(entry.Key))
		}
		values[name] = entry.Value
	}
	return values, nil
}

func setScalar(v any, into reflect.Value) error {
	switch into.Kind() {
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			return mismatch(v, into, "bool")
		}
		into.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return setInteger(v, into)
	case reflect.Float32, reflect.Float64:
		return setFloat(v, into)
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			return mismatch(v, into, "str")
		}
		if !utf8.ValidString(s) {
			return fmt.Errorf("the str %.40q has lone surrogates, which %s cannot hold", s, into.Type())
		}
		into.SetString(s)
	default:
		return fmt.Errorf("a value of type %s has no plain form", into.Type())
	}
	return nil
}

func setInteger(v any, into reflect.Value) error {
	n := new(big.Int)
	switch v := v.(type) {
	case int64:
		n.SetInt64(v)
	case *big.Int:
		n = v
	default:
		return mismatch(v, into, "int")
	}
	switch {
	case into.CanInt() && n.IsInt64() && !into.OverflowInt(n.Int64()):
		into.SetInt(n.Int64())
	case into.CanUint() && n.IsUint64() && !into.OverflowUint(n.Uint64()):
		into.SetUint(n.Uint64())
	default:
		return fmt.Errorf("an int of %d bits is out of the range of %s", n.BitLen(), into.Type())
	}
	return nil
}

// maxExact is up to where every integer is a float64.
const maxExact = 1 << 53

func setFloat(v any, into reflect.Value) error {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case int64:
		if v > maxExact || v < -maxExact {
			return fmt.Errorf("the int %d is not exact as %s", v, into.Type())
		}
		f = float64(v)
	case *big.Int:
		return fmt.Errorf("an int of %d bits is not exact as %s", v.BitLen(), into.Type())
	default:
		return mismatch(v, into, "float")
	}
	if into.OverflowFloat(f) {
		return fmt.Errorf("%v is out of the range of %s", f, into.Type())
	}
	into.SetFloat(f)
	return nil
}
