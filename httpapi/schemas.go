package httpapi

import (
	"fmt"
	"path"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// schemas makes JSON schemas of Go types.
type schemas struct {
	registry huma.Registry
	names    map[string]reflect.Type
}

const schemaPrefix = "#/components/schemas/"

func newSchemas() *schemas {
	s := &schemas{names: make(map[string]reflect.Type)}
	s.registry = huma.NewMapRegistry(schemaPrefix, s.name)
	return s
}

// name tells types of one name in two packages apart.
func (s *schemas) name(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	for taken := s.names[name]; taken != nil && taken != t; taken = s.names[name] {
		longer := huma.DefaultSchemaNamer(t, hint)
		if longer = path.Base(t.PkgPath()) + longer; longer == name {
			longer += "_"
		}
		name = longer
	}
	s.names[name] = t
	return name
}

// of is the schema of what v points to, a struct.
func (s *schemas) of(v any, hint string) (schema *huma.Schema, err error) {
	defer func() { // huma panics on types that it does not know
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	t := reflect.TypeOf(v).Elem()
	if err := encodable(t, nil); err != nil {
		return nil, err
	}
	return s.registry.Schema(t, true, hint), nil
}

// encodable refuses types that encoding/json refuses, when a handler is made
// instead of when a call is answered.
func encodable(t reflect.Type, within map[reflect.Type]bool) error {
	if within[t] {
		return nil
	}
	if within == nil {
		within = make(map[reflect.Type]bool)
	}
	within[t] = true
	switch t.Kind() {
	case reflect.Complex64, reflect.Complex128, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return fmt.Errorf("JSON has no %s", t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return encodable(t.Elem(), within)
	case reflect.Map:
		return encodable(t.Elem(), within)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Tag.Get("json") == "-" {
				continue
			}
			if err := encodable(f.Type, within); err != nil {
				return fmt.Errorf("field %s of %s: %w", f.Name, t, err)
			}
		}
	}
	return nil
}
