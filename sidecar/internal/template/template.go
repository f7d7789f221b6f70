// Package template parses and matches the path templates of google.api.http
// rules, with the meaning that Cloudstate's own proxy gives them.
package template

import (
	"net/url"
	"strings"

	"github.com/mallee-io/mallee"
)

// Template is a parsed path template. It is safe for concurrent use.
//
//	Template = "/" [ Segments ] [ ":" LITERAL ]
//	Segments = Segment { "/" Segment }
//	Segment  = "*" | "**" | LITERAL | "{" field [ "=" Segments ] "}"
//
// "*" is one segment, without slash and colon, that may be empty, and "**" the
// rest of the path. A variable is "*" unless it says otherwise.
type Template struct {
	text      string
	segments  []segment
	verb      string // with its colon, or empty
	variables []variable
}

type segment struct {
	kind    segmentKind
	literal string
}

type segmentKind uint8

const (
	literal segmentKind = iota
	one                 // "*"
	rest                // "**", only at the end
)

// variable captures the segments from first up to but not including end.
type variable struct {
	field      string
	first, end int
}

// Variable is a field and what the path has for it.
type Variable struct {
	Field string
	Raw   string // as it is in the path
}

// Value is the text for the field: escapes are resolved, and a plus sign is a
// space. The error, of a malformed escape, is mallee.ErrInvalid.
func (v Variable) Value() (string, error) {
	text, err := url.QueryUnescape(v.Raw)
	if err != nil {
		return "", mallee.ErrInvalid.Errorf("field %s in the path: %v", v.Field, err).BeforeRun()
	}
	return strings.ToValidUTF8(text, "\uFFFD"), nil
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Fields are the fields of the variables, in the order of the path.
func (t *Template) Fields() []string {
	fields := make([]string, len(t.variables))
	for i, v := range t.variables {
		fields[i] = v.field
	}
	return fields
}

// Match matches a whole path, percent-encoded as it was received and without the
// query. The variables are in the order of the path.
func (t *Template) Match(path string) ([]Variable, bool) {
	left, ok := strings.CutSuffix(path, t.verb)
	if !ok {
		return nil, false
	}
	var short [16]int
	ends := short[:0] // of the segments, in path
	at := 0
	for _, s := range t.segments {
		if at == len(left) || left[at] != '/' {
			return nil, false
		}
		at++
		n := s.match(left[at:])
		if n < 0 {
			return nil, false
		}
		at += n
		ends = append(ends, at)
	}
	if at < len(left) {
		return nil, false
	}
	return t.capture(path, ends), true
}

// match is the length of what a segment takes of a path, or negative.
func (s *segment) match(path string) int {
	switch s.kind {
	case rest:
		return len(path)
	case one:
		if n := strings.IndexAny(path, "/:"); n >= 0 {
			return n
		}
		return len(path)
	}
	if strings.HasPrefix(path, s.literal) {
		return len(s.literal)
	}
	return -1
}

func (t *Template) capture(path string, ends []int) []Variable {
	if len(t.variables) == 0 {
		return nil
	}
	captured := make([]Variable, len(t.variables))
	for i, v := range t.variables {
		start := 0
		if v.first > 0 {
			start = ends[v.first-1]
		}
		captured[i] = Variable{v.field, path[start+1 : ends[v.end-1]]}
	}
	return captured
}
