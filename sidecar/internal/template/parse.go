package template

import (
	"fmt"
	"slices"
	"strings"
)

// Parse parses a template. The error says where it is wrong.
func Parse(text string) (*Template, error) {
	p := parser{Template: Template{text: text}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return &p.Template, nil
}

type parser struct {
	Template
	at int // the next character
}

func (p *parser) parse() error {
	if !p.take('/') {
		return p.errorf("a path begins with a slash")
	}
	if p.at == len(p.text) {
		p.segments = []segment{{kind: literal}}
		return nil
	}
	if err := p.parseSegments(false); err != nil {
		return err
	}
	if p.take(':') {
		verb := p.word()
		if verb == "" {
			return p.errorf("the colon needs a verb after it")
		}
		p.verb = ":" + verb
	}
	if p.at < len(p.text) {
		return p.errorf("%q is out of place", p.text[p.at])
	}
	return nil
}

func (p *parser) parseSegments(inVariable bool) error {
	for {
		if err := p.parseSegment(inVariable); err != nil {
			return err
		}
		if !p.take('/') {
			return nil
		}
	}
}

func (p *parser) parseSegment(inVariable bool) error {
	if n := len(p.segments); n > 0 && p.segments[n-1].kind == rest {
		return p.errorf("nothing but a verb may follow **")
	}
	switch {
	case p.take('{'):
		if inVariable {
			return p.errorf("a variable cannot be within another")
		}
		return p.parseVariable()
	case p.take('*'):
		kind := one
		if p.take('*') {
			kind = rest
		}
		p.segments = append(p.segments, segment{kind: kind})
		return nil
	}
	word := p.word()
	if word == "" {
		return p.errorf("a segment is missing")
	}
	p.segments = append(p.segments, segment{literal: word})
	return nil
}

func (p *parser) parseVariable() error {
	field := p.field()
	switch {
	case field == "":
		return p.errorf("the name of a field is missing")
	case slices.ContainsFunc(p.variables, func(v variable) bool { return v.field == field }):
		return p.errorf("field %s is there twice", field)
	case p.at < len(p.text) && p.text[p.at] == '.':
		return p.errorf("fields of fields are not supported: use a field of the message itself")
	}
	v := variable{field: field, first: len(p.segments)}
	if p.take('=') {
		if err := p.parseSegments(true); err != nil {
			return err
		}
	} else {
		p.segments = append(p.segments, segment{kind: one})
	}
	if !p.take('}') {
		return p.errorf("a closing brace is missing")
	}
	v.end = len(p.segments)
	p.variables = append(p.variables, v)
	return nil
}

func (p *parser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word is a literal: what stands up to the next character of the grammar, or
// one that no path has.
func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] > ' ' && !strings.ContainsRune("/:*{}?#", rune(p.text[p.at])) {
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) field() string {
	start := p.at
	for p.at < len(p.text) && inName(p.text[p.at], p.at > start) {
		p.at++
	}
	return p.text[start:p.at]
}

func inName(c byte, digits bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || digits && '0' <= c && c <= '9'
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("path %q, character %d: %s", p.text, p.at+1, fmt.Sprintf(format, args...))
}
