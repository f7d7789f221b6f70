package httpapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

// schemas are JSON schemas of Go types, as encoding/json writes and reads them.
// It is a huma.Registry of its own because huma's describes another JSON in
// places: null for nil pointers, maps and slices, embedded structs, arrays of
// bytes, url.URL, recursive maps, types of one name.
//
// A type with a JSON form of its own is described as anything unless it
// implements huma.SchemaProvider. Tags such as doc, example, minimum or pattern
// are huma's.
type schemas struct {
	names map[reflect.Type]string // nil: survey which types need a name
	refs  map[reflect.Type]string
	types map[string]reflect.Type
	named map[string]*huma.Schema
	order []reflect.Type // as they were met
	trail []string       // fields on the way to the type in hand
}

var _ huma.Registry = (*schemas)(nil)

func newSchemas(names map[reflect.Type]string) *schemas {
	return &schemas{
		names: names,
		refs:  make(map[reflect.Type]string),
		types: make(map[string]reflect.Type),
		named: make(map[string]*huma.Schema),
	}
}

// noJSON is the panic, within of, about a type that encoding/json refuses.
type noJSON struct{ t reflect.Type }

// of is the schema of a struct of arguments or results, all of which are
// required.
func (s *schemas) of(t reflect.Type) (schema *huma.Schema, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case noJSON:
			err = fmt.Errorf("%s: %v has no JSON form; tag the field json:\"-\" or do not expose the method", strings.Join(s.trail, "."), r.t)
		case error: // huma panics about wrong struct tags
			err = fmt.Errorf("%s: %w", strings.Join(s.trail, "."), r)
		default:
			panic(r)
		}
	}()
	s.trail = s.trail[:0]
	schema = s.structure(t, func(reflect.StructField) bool { return false })
	schema.PrecomputeMessages()
	return schema, nil
}

// Schema is the schema of values of type t.
func (s *schemas) Schema(t reflect.Type, _ bool, _ string) *huma.Schema {
	pointer := false
	for t.Kind() == reflect.Pointer {
		if pointer = true; t.Name() != "" { // type P *P
			panic(noJSON{t})
		}
		t = t.Elem()
	}
	schema := s.value(t)
	if pointer {
		return orNull(schema)
	}
	return schema
}

// orNull also allows null.
func orNull(schema *huma.Schema) *huma.Schema {
	switch {
	case schema.Ref != "":
		return &huma.Schema{AnyOf: []*huma.Schema{schema, {Type: "null"}}}
	case schema.Type != "":
		schema.Nullable = true
	}
	return schema
}

// resolve follows references, through the null that orNull put beside one.
func (s *schemas) resolve(schema *huma.Schema) (_ *huma.Schema, nullable bool) {
	for {
		switch {
		case schema.Ref != "":
			schema = s.SchemaFromRef(schema.Ref)
		case len(schema.AnyOf) == 2 && schema.AnyOf[1].Type == "null":
			nullable, schema = true, schema.AnyOf[0]
		default:
			return schema, nullable || schema.Nullable
		}
	}
}

var (
	timeType       = reflect.TypeFor[time.Time]()
	durationType   = reflect.TypeFor[time.Duration]()
	bigIntType     = reflect.TypeFor[big.Int]()
	numberType     = reflect.TypeFor[json.Number]()
	providerType   = reflect.TypeFor[huma.SchemaProvider]()
	marshalerTypes = []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler]()}
	textTypes      = []reflect.Type{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()}
)

// implements tells whether t or *t has the methods of one of the interfaces.
func implements(t reflect.Type, of ...reflect.Type) bool {
	for _, i := range of {
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// value is the schema of a type that is not a pointer.
func (s *schemas) value(t reflect.Type) *huma.Schema {
	switch {
	case implements(t, providerType) && t.Kind() != reflect.Interface:
		return reflect.New(t).Interface().(huma.SchemaProvider).Schema(s)
	case t == timeType:
		return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
	case t == durationType:
		return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Description: "A duration in nanoseconds"}
	case t == bigIntType:
		return &huma.Schema{Type: huma.TypeInteger}
	case t == numberType:
		return &huma.Schema{Type: huma.TypeNumber}
	case t.Kind() == reflect.Interface || implements(t, marshalerTypes...):
		return &huma.Schema{}
	case implements(t, textTypes...):
		return &huma.Schema{Type: huma.TypeString}
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		if t.Name() != "" && !isBytes(t) {
			return &huma.Schema{Ref: schemaPrefix + s.component(t)}
		}
	}
	return s.literal(t)
}

// component registers a type under a name before it looks inside: the type may
// be there again.
func (s *schemas) component(t reflect.Type) string {
	if name, ok := s.refs[t]; ok {
		return name
	}
	s.order = append(s.order, t)
	name, ok := s.names[t]
	if !ok { // a survey: any name will do
		name = fmt.Sprint("T", len(s.order))
	}
	s.refs[t], s.types[name] = name, t
	s.named[name] = &huma.Schema{}
	schema := s.literal(t)
	schema.PrecomputeMessages()
	s.named[name] = schema
	return name
}

// The rest of huma.Registry.

// SchemaFromRef is the schema that a reference names, or nil.
func (s *schemas) SchemaFromRef(ref string) *huma.Schema {
	return s.named[strings.TrimPrefix(ref, schemaPrefix)]
}

// TypeFromRef is the type that a reference names, or nil.
func (s *schemas) TypeFromRef(ref string) reflect.Type {
	return s.types[strings.TrimPrefix(ref, schemaPrefix)]
}

// Map has all named schemas.
func (s *schemas) Map() map[string]*huma.Schema { return s.named }

// RegisterTypeAlias is not supported.
func (s *schemas) RegisterTypeAlias(reflect.Type, reflect.Type) {
	panic(fmt.Errorf("httpapi: schemas have no type aliases"))
}

// MarshalJSON writes the components of an OpenAPI document.
func (s *schemas) MarshalJSON() ([]byte, error) { return json.Marshal(s.named) }
