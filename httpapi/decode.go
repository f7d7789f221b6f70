package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// maxDepth bounds how deep arrays and objects of a body may nest.
const maxDepth = 200

// decode reads a body into the arguments of a call, once it is what the schema
// says: the document and the decoder cannot disagree.
func decode(s *schemas, schema *huma.Schema, body []byte, args any) error {
	value, err := parse(body)
	if err != nil {
		return err
	}
	if errs := newChecker(s).check(schema, value); len(errs) > 0 {
		return badBody(errs...)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(args); err != nil {
		return badBody(typeError(err))
	}
	return nil
}

// typeError explains what only the Go type knows, such as the range of an int.
func typeError(err error) wrong {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return wrong{Message: strings.TrimPrefix(err.Error(), "json: ")}
	}
	return wrong{Path: t.Field, Message: fmt.Sprintf("%s does not fit %s", t.Value, t.Type)}
}

// parse reads one JSON value, and refuses what encoding/json lets pass: bytes
// that are not UTF-8, an object with two fields of one name, and nesting that
// only an attacker needs.
func parse(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, badBody(wrong{Message: "the body is not valid UTF-8"})
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, badBody(wrong{Message: fmt.Sprintf("the body is not JSON: %v at byte %d", err, syntax.Offset)})
		}
		return nil, badBody(wrong{Message: fmt.Sprintf("the body is not JSON: %v", err)})
	}
	value, bad := parseValue(json.NewDecoder(bytes.NewReader(body)), maxDepth)
	if bad != nil {
		return nil, badBody(*bad)
	}
	return value, nil
}

// parseValue reads the next value of JSON that is known to be well-formed.
func parseValue(d *json.Decoder, depth int) (any, *wrong) {
	token, err := d.Token()
	if err != nil {
		return nil, tokenError(err)
	}
	open, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == 0:
		return nil, &wrong{Message: fmt.Sprintf("is nested deeper than %d levels", maxDepth)}
	case open == '[':
		return parseArray(d, depth)
	}
	return parseObject(d, depth)
}

func parseArray(d *json.Decoder, depth int) (any, *wrong) {
	items := []any{}
	for d.More() {
		item, bad := parseValue(d, depth-1)
		if bad != nil {
			return nil, bad.below(index(len(items)))
		}
		items = append(items, item)
	}
	_, err := d.Token()
	return items, tokenError(err)
}

func parseObject(d *json.Decoder, depth int) (any, *wrong) {
	fields := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, tokenError(err)
		}
		name, _ := token.(string)
		if _, twice := fields[name]; twice {
			return nil, &wrong{Path: name, Message: "is there twice"}
		}
		value, bad := parseValue(d, depth-1)
		if bad != nil {
			return nil, bad.below(name)
		}
		fields[name] = value
	}
	_, err := d.Token()
	return fields, tokenError(err)
}

func tokenError(err error) *wrong {
	if err == nil {
		return nil
	}
	var t *json.UnmarshalTypeError // a number beyond float64
	if errors.As(err, &t) {
		return &wrong{Message: t.Value + " is out of range"}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &wrong{Message: strings.TrimPrefix(err.Error(), "json: ")}
}

// below puts the path of e under a field or an index.
func (e *wrong) below(step string) *wrong {
	switch {
	case e.Path == "":
		e.Path = step
	case e.Path[0] == '[':
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }
