// Package jsonargs reads arguments of calls that people and their tools write in
// JSON, and says what is wrong with them.
package jsonargs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may nest.
const maxDepth = 200

// Wrong is one thing that is wrong in a body.
type Wrong struct {
	Path    string `json:"path" doc:"Where, such as items[2].name; empty for the body itself"`
	Message string `json:"message" doc:"What, such as: expected integer, got string"`
}

func (e Wrong) String() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// Parse reads one JSON value, and refuses what encoding/json lets pass: bytes
// that are not UTF-8, an object with two fields of one name, and nesting that
// only an attacker needs.
func Parse(body []byte) (any, *Wrong) {
	if !utf8.Valid(body) {
		return nil, &Wrong{Message: "the body is not valid UTF-8"}
	}
	var raw json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &Wrong{Message: fmt.Sprintf("the body is not JSON: %v at byte %d", err, syntax.Offset)}
		}
		return nil, &Wrong{Message: fmt.Sprintf("the body is not JSON: %v", err)}
	}
	return parseValue(json.NewDecoder(bytes.NewReader(body)), maxDepth)
}

// parseValue reads the next value of JSON that is known to be well-formed.
func parseValue(d *json.Decoder, depth int) (any, *Wrong) {
	token, err := d.Token()
	if err != nil {
		return nil, tokenError(err)
	}
	open, ok := token.(json.Delim)
	switch {
	case !ok:
		return token, nil
	case depth == 0:
		return nil, &Wrong{Message: fmt.Sprintf("is nested deeper than %d levels", maxDepth)}
	case open == '[':
		return parseArray(d, depth)
	}
	return parseObject(d, depth)
}

func parseArray(d *json.Decoder, depth int) (any, *Wrong) {
	items := []any{}
	for d.More() {
		item, bad := parseValue(d, depth-1)
		if bad != nil {
			return nil, bad.Below(Index(len(items)))
		}
		items = append(items, item)
	}
	_, err := d.Token()
	return items, tokenError(err)
}

func parseObject(d *json.Decoder, depth int) (any, *Wrong) {
	fields := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, tokenError(err)
		}
		name, _ := token.(string)
		if _, twice := fields[name]; twice {
			return nil, &Wrong{Path: name, Message: "is there twice"}
		}
		value, bad := parseValue(d, depth-1)
		if bad != nil {
			return nil, bad.Below(name)
		}
		fields[name] = value
	}
	_, err := d.Token()
	return fields, tokenError(err)
}

func tokenError(err error) *Wrong {
	if err == nil {
		return nil
	}
	var t *json.UnmarshalTypeError // a number beyond float64
	if errors.As(err, &t) {
		return &Wrong{Message: t.Value + " is out of range"}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &Wrong{Message: strings.TrimPrefix(err.Error(), "json: ")}
}

// Below puts the path of e under a field or an index.
func (e *Wrong) Below(step string) *Wrong {
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

// Index is the step of a path to an item.
func Index(i int) string { return "[" + strconv.Itoa(i) + "]" }
