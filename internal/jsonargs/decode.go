package jsonargs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/mallee-io/mallee"
)

// Decode reads the arguments of a call, an array of all of them or an object by
// their names, into the struct that args points to (mallee.Call.Args). No
// argument may be missing or unknown; names are exact.
func Decode(body []byte, args any) error {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		body = []byte("[]")
	}
	value, bad := Parse(body)
	if bad == nil {
		bad = decode(value, body, reflect.ValueOf(args).Elem())
	}
	if bad != nil {
		return mallee.ErrInvalid.Errorf("arguments: %s", bad).BeforeRun()
	}
	return nil
}

func decode(value any, body []byte, args reflect.Value) *Wrong {
	names := namesOf(args.Type())
	var given []json.RawMessage
	switch value := value.(type) {
	case []any:
		if len(value) != len(names) {
			return &Wrong{Message: fmt.Sprintf("expected %d (%s), got %d", len(names), strings.Join(names, ", "), len(value))}
		}
		if err := json.Unmarshal(body, &given); err != nil {
			return TypeError(err)
		}
	case map[string]any:
		var bad *Wrong
		if given, bad = byName(body, names); bad != nil {
			return bad
		}
	default:
		return &Wrong{Message: "expected an array or an object of the arguments: " + strings.Join(names, ", ")}
	}
	for i, name := range names {
		d := json.NewDecoder(bytes.NewReader(given[i]))
		d.DisallowUnknownFields()
		if err := d.Decode(args.Field(i).Addr().Interface()); err != nil {
			return TypeError(err).Below(name)
		}
	}
	return nil
}

// byName puts the fields of an object into the order of names.
func byName(body []byte, names []string) ([]json.RawMessage, *Wrong) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, TypeError(err)
	}
	given := make([]json.RawMessage, len(names))
	for i, name := range names {
		v, there := fields[name]
		if !there {
			return nil, &Wrong{Path: name, Message: "is missing"}
		}
		given[i] = v
		delete(fields, name)
	}
	for name := range fields {
		return nil, &Wrong{Path: name, Message: "is unknown; there are: " + strings.Join(names, ", ")}
	}
	return given, nil
}

// namesOf are the names of the arguments, in their order.
func namesOf(args reflect.Type) []string {
	names := make([]string, args.NumField())
	for i := range names {
		f := args.Field(i)
		names[i], _, _ = strings.Cut(f.Tag.Get("json"), ",")
		if names[i] == "" {
			names[i] = f.Name
		}
	}
	return names
}

// TypeError explains what only the Go type knows, such as the range of an int.
func TypeError(err error) *Wrong {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return &Wrong{Message: strings.TrimPrefix(err.Error(), "json: ")}
	}
	return &Wrong{Path: t.Field, Message: fmt.Sprintf("%s does not fit %s", t.Value, t.Type)}
}
