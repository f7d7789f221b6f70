package httpapi

import (
	"errors"
	"math"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!implements(t.Elem(), append(textTypes, marshalerTypes...)...)
}

// literal is the schema of a type by its kind.
func (s *schemas) literal(t reflect.Type) *huma.Schema {
	switch t.Kind() {
	case reflect.Bool:
		return &huma.Schema{Type: huma.TypeBoolean}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return integer(t)
	case reflect.Float32:
		return &huma.Schema{Type: huma.TypeNumber, Format: "float"}
	case reflect.Float64:
		return &huma.Schema{Type: huma.TypeNumber, Format: "double"}
	case reflect.String:
		return &huma.Schema{Type: huma.TypeString}
	case reflect.Slice:
		if isBytes(t) {
			return &huma.Schema{Type: huma.TypeString, ContentEncoding: "base64", Nullable: true}
		}
		return &huma.Schema{Type: huma.TypeArray, Items: s.Schema(t.Elem(), true, ""), Nullable: true}
	case reflect.Array:
		n := t.Len()
		return &huma.Schema{Type: huma.TypeArray, Items: s.Schema(t.Elem(), true, ""), MinItems: &n, MaxItems: &n}
	case reflect.Map:
		if kind := t.Key().Kind(); kind != reflect.String && (kind < reflect.Int || kind > reflect.Uintptr) && !implements(t.Key(), textTypes...) {
			panic(noJSON{t})
		}
		values := s.Schema(t.Elem(), true, "")
		values.PrecomputeMessages()
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: values, Nullable: true}
	case reflect.Struct:
		return s.structure(t, canBeNull)
	}
	panic(noJSON{t})
}

func integer(t reflect.Type) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeInteger, Format: "int64"}
	bits, low := t.Bits(), 0.0
	if signed := t.Kind() <= reflect.Int64; signed {
		bits--
		low = -math.Ldexp(1, bits)
	}
	if bits < 63 { // float64 would round the bounds of the large ones
		high := math.Ldexp(1, bits) - 1
		schema.Format, schema.Minimum, schema.Maximum = "int32", &low, &high
		if bits == 32 {
			schema.Format = "int64"
		}
	} else if low == 0 {
		schema.Minimum = &low
	}
	return schema
}

func canBeNull(f reflect.StructField) bool {
	switch f.Type.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	}
	return false
}

// structure is the schema of a struct. Its fields are required unless they are
// omitted when empty or optional says otherwise.
func (s *schemas) structure(t reflect.Type, optional func(reflect.StructField) bool) *huma.Schema {
	schema := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: make(map[string]*huma.Schema)}
	for _, f := range jsonFields(t) {
		s.trail = append(s.trail, f.name)
		field := huma.SchemaFromField(s, f.StructField, "")
		if field.UniqueItems && !isScalar(f.Type.Elem().Kind()) { // huma would panic on what it cannot hash
			panic(errors.New("the tag uniqueItems is for items that are no objects or arrays"))
		}
		if f.quoted {
			field = &huma.Schema{Type: huma.TypeString, Description: field.Description, Nullable: field.Nullable}
		}
		schema.Properties[f.name] = field
		if !f.omitted && !field.ReadOnly && !optional(f.StructField) {
			schema.Required = append(schema.Required, f.name)
		}
		s.trail = s.trail[:len(s.trail)-1]
	}
	return schema
}
