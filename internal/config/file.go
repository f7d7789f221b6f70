package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// parse reads a file of settings: one YAML document, a mapping. Scalars are
// read as they are spelled, so that no is no text that became false.
func (c *Config) parse(path string, r io.Reader) error {
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if len(content) > maxFile {
		return fmt.Errorf("%s: it has more than %d bytes: it cannot be a file of settings", path, maxFile)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil // nothing but comments
	} else if err != nil {
		return fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: a second document begins in it; settings are one document", path)
	}
	f := file{path, c, make(map[string]bool)}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil
	}
	return f.section("", root)
}

// file is one that is being read.
type file struct {
	path   string
	config *Config
	seen   map[string]bool // names
}

// wrong is an error with its place.
func (f *file) wrong(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %w", f.path, at.Line, at.Column, fmt.Errorf(format, args...))
}

// section reads a mapping whose names begin with those of the sections it
// stands in.
func (f *file) section(before string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return f.wrong(n, "%s found where NAME: VALUE lines must stand", kindOf(n))
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := before + key.Value
		if key.Kind != yaml.ScalarNode || strings.Contains(key.Value, ".") {
			return f.wrong(key, "%s is not the name of a setting; sections are indented lines, not dots", kindOf(key))
		}
		if f.seen[name] {
			return f.wrong(key, "%s is set twice", name)
		}
		f.seen[name] = true
		if err := f.entry(name, key, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) entry(name string, key, n *yaml.Node) error {
	v := f.config.value(name)
	if v == nil {
		if f.config.hasSection(name + ".") {
			return f.section(name+".", n)
		}
		return f.wrong(key, "%s is not a setting%s", name, hint(name, f.config.names()))
	}
	text, err := f.spelled(v, n)
	if err != nil {
		return err
	}
	if err := v.set(text); err != nil {
		return f.wrong(n, "%s: %w", name, err)
	}
	v.Origin = fmt.Sprintf("%s:%d", f.path, n.Line)
	return nil
}

// spelled is a value as a flag would spell it: lists and labels may be YAML's
// own.
func (f *file) spelled(v *Value, n *yaml.Node) (string, error) {
	_, isList := v.value.(listValue)
	_, isLabels := v.value.(labelsValue)
	switch {
	case n.Kind == yaml.ScalarNode:
		return f.scalar(v, n)
	case n.Kind == yaml.SequenceNode && isList:
		return f.list(v, n)
	case n.Kind == yaml.MappingNode && isLabels:
		return f.labels(v, n)
	}
	return "", f.wrong(n, "%s: %s found where there must be %s", v.Name, kindOf(n), v.Kind())
}

func (f *file) list(v *Value, n *yaml.Node) (string, error) {
	elements := make([]string, len(n.Content))
	for i := range elements {
		var err error
		if elements[i], err = f.element(v, n.Content[i], ","); err != nil {
			return "", err
		}
	}
	return strings.Join(elements, ","), nil
}

func (f *file) labels(v *Value, n *yaml.Node) (string, error) {
	pairs := make([]string, len(n.Content)/2)
	for i := range pairs {
		key, err := f.element(v, n.Content[2*i], ",=")
		if err != nil {
			return "", err
		}
		label, err := f.element(v, n.Content[2*i+1], ",")
		if err != nil {
			return "", err
		}
		pairs[i] = key + "=" + label
	}
	return strings.Join(pairs, ","), nil
}

func (f *file) scalar(v *Value, n *yaml.Node) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", f.wrong(n, "%s: %s found where there must be a text", v.Name, kindOf(n))
	case n.Tag == "!!null":
		return "", f.wrong(n, "%s has no value; give it one, or take the line out", v.Name)
	case n.Style&yaml.TaggedStyle != 0:
		return "", f.wrong(n, "%s: the tag %s is not read here", v.Name, n.Tag)
	}
	return n.Value, nil
}

// element is one of a list, without what would end it.
func (f *file) element(v *Value, n *yaml.Node, ends string) (string, error) {
	text, err := f.scalar(v, n)
	if err == nil && (text == "" || strings.ContainsAny(text, ends)) {
		err = f.wrong(n, "%s: %q is empty or has one of the characters %q", v.Name, text, ends)
	}
	return text, err
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias, which is not read here,"
	}
	return fmt.Sprintf("%q", n.Value)
}

func (c *Config) names() []string {
	names := make([]string, len(c.Values))
	for i, v := range c.Values {
		names[i] = v.Name
	}
	return names
}

func (c *Config) hasSection(before string) bool {
	for _, v := range c.Values {
		if strings.HasPrefix(v.Name, before) {
			return true
		}
	}
	return false
}
