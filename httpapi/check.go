package httpapi

import (
	"errors"
	"maps"
	"math"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee/internal/jsonargs"
)

// maxWrong bounds how many errors of one body are reported.
const maxWrong = 10

// checker compares a value with its schema: types, names, nulls, what is
// missing, and constraints. Names are exact, unlike those of encoding/json.
type checker struct {
	schemas *schemas
	path    *huma.PathBuffer // always empty: paths are put together on the way out
	result  huma.ValidateResult
}

func newChecker(s *schemas) *checker {
	return &checker{schemas: s, path: huma.NewPathBuffer(nil, 0)}
}

func (c *checker) check(schema *huma.Schema, v any) []jsonargs.Wrong {
	schema, nullable := c.schemas.resolve(schema)
	if schema.Type == "" || v == nil && nullable { // a schema without a type is anything
		return nil
	}
	if !matches(schema.Type, v) {
		return []jsonargs.Wrong{{Message: "expected " + schema.Type + ", got " + describe(v)}}
	}
	found := c.constraints(schema, v)
	switch v := v.(type) {
	case []any:
		found = append(found, c.items(schema, v)...)
	case map[string]any:
		found = append(found, c.fields(schema, v)...)
	}
	return found[:min(len(found), maxWrong)]
}

func (c *checker) items(schema *huma.Schema, items []any) []jsonargs.Wrong {
	var found []jsonargs.Wrong
	for i, item := range items {
		for _, e := range c.check(schema.Items, item) {
			found = append(found, *e.Below(jsonargs.Index(i)))
		}
		if len(found) >= maxWrong {
			break
		}
	}
	return found
}

func (c *checker) fields(schema *huma.Schema, fields map[string]any) []jsonargs.Wrong {
	var found []jsonargs.Wrong
	for _, name := range schema.Required {
		if _, there := fields[name]; !there {
			found = append(found, jsonargs.Wrong{Path: name, Message: "is missing"})
		}
	}
	values, isMap := schema.AdditionalProperties.(*huma.Schema)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if len(found) >= maxWrong {
			break
		}
		of := schema.Properties[name]
		if of == nil && isMap {
			of = values
		}
		if of == nil {
			if closed, ok := schema.AdditionalProperties.(bool); ok && !closed {
				found = append(found, jsonargs.Wrong{Path: name, Message: "is unknown"})
			}
			continue
		}
		for _, e := range c.check(of, fields[name]) {
			found = append(found, *e.Below(name))
		}
	}
	return found
}

// constraints checks a value of the right type against what struct tags say,
// such as minimum or pattern. It does not look inside of the value: huma loses
// the way where null is allowed too.
func (c *checker) constraints(schema *huma.Schema, v any) []jsonargs.Wrong {
	switch schema.Type {
	case huma.TypeArray:
		outside := *schema
		outside.Items = &huma.Schema{}
		schema = &outside
	case huma.TypeObject:
		if len(schema.Properties) > 0 {
			return nil
		}
		outside := *schema
		outside.AdditionalProperties = nil
		schema = &outside
	}
	c.result.Reset()
	huma.Validate(c.schemas, schema, c.path, huma.ModeWriteToServer, v, &c.result)
	found := make([]jsonargs.Wrong, 0, len(c.result.Errors))
	for _, err := range c.result.Errors {
		message := err.Error()
		if detail := (*huma.ErrorDetail)(nil); errors.As(err, &detail) {
			message = detail.Message
		}
		found = append(found, jsonargs.Wrong{Message: message})
	}
	return found
}

// matches tells whether a decoded value is of a type of JSON Schema.
func matches(typ string, v any) bool {
	switch v := v.(type) {
	case bool:
		return typ == huma.TypeBoolean
	case float64:
		return typ == huma.TypeNumber || typ == huma.TypeInteger && v == math.Trunc(v)
	case string:
		return typ == huma.TypeString
	case []any:
		return typ == huma.TypeArray
	case map[string]any:
		return typ == huma.TypeObject
	}
	return false
}

func describe(v any) string {
	switch v := v.(type) {
	case bool:
		return huma.TypeBoolean
	case float64:
		if v == math.Trunc(v) {
			return huma.TypeInteger
		}
		return huma.TypeNumber
	case string:
		return huma.TypeString
	case []any:
		return huma.TypeArray
	case map[string]any:
		return huma.TypeObject
	}
	return "null"
}
