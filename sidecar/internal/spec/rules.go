package spec

import (
	"net/http"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/sidecar/internal/template"
)

// Pattern is what a rule matches: the HTTP method, "*" for every one, and the
// path's template. Both are empty in a rule without a pattern.
func Pattern(r *annotations.HttpRule) (method, path string) {
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

// loadRules takes the rules of a method, the main one first.
func (l *loader) loadRules(m *Method, d protoreflect.MethodDescriptor) {
	if !proto.HasExtension(d.Options(), annotations.E_Http) {
		return
	}
	main := proto.GetExtension(d.Options(), annotations.E_Http).(*annotations.HttpRule)
	m.Rules = append([]*annotations.HttpRule{main}, main.GetAdditionalBindings()...)
	for i, r := range m.Rules {
		if i > 0 && len(r.GetAdditionalBindings()) > 0 {
			l.methodErrorf(m, "an additional binding of its google.api.http option has bindings of its own: list them all in the main rule")
		}
		l.checkRule(m, r)
	}
}

func (l *loader) checkRule(m *Method, r *annotations.HttpRule) {
	method, path := Pattern(r)
	if full := m.Service.Name + "." + m.Name; r.GetSelector() != "" && r.GetSelector() != full {
		l.methodErrorf(m, "its google.api.http option selects %q: leave the selector out, or name %s", r.GetSelector(), full)
	}
	if r.GetPattern() == nil {
		l.methodErrorf(m, "its google.api.http option has no path: add one of get, put, post, delete, patch or custom")
		return
	}
	if r.GetCustom() != nil && method != "*" {
		l.methodErrorf(m, "its google.api.http option has the custom kind %q: use get, put, post, delete or patch, or the kind * for every HTTP method", method)
		method = "custom"
	}
	t, err := template.Parse(path)
	if err != nil {
		l.methodErrorf(m, "HTTP rule %s: %v", method, err)
		return
	}
	rule := method + " " + path
	for _, name := range t.Fields() {
		l.checkVariable(m, rule, name)
	}
	l.checkBodies(m, rule, r)
}

func (l *loader) checkVariable(m *Method, rule, name string) {
	f := m.Input.Fields().ByName(protoreflect.Name(name))
	var what string
	switch {
	case f == nil:
		l.methodErrorf(m, "HTTP rule %s: message %s has no field %s", rule, m.Input.FullName(), name)
		return
	case f.IsMap():
		what = "a map"
	case f.IsList():
		what = "repeated"
	case f.Enum() != nil:
		what = "an enum"
	case f.Message() != nil:
		what = "a message"
	default:
		return
	}
	l.methodErrorf(m, "HTTP rule %s: field %s of message %s is %s, and a path has room for one text or number only: use another field",
		rule, name, m.Input.FullName(), what)
}

func (l *loader) checkBodies(m *Method, rule string, r *annotations.HttpRule) {
	if name := r.GetBody(); name != "" && name != "*" {
		f := m.Input.Fields().ByName(protoreflect.Name(name))
		switch {
		case f == nil:
			l.methodErrorf(m, "HTTP rule %s: its body is field %q, which message %s does not have", rule, name, m.Input.FullName())
		case f.IsList() || f.IsMap() || f.Message() == nil:
			l.methodErrorf(m, "HTTP rule %s: its body is field %s of message %s, which is not a single message: name one that is, or * for the whole message",
				rule, name, m.Input.FullName())
		}
	}
	if name := r.GetResponseBody(); name != "" && m.Output.Fields().ByName(protoreflect.Name(name)) == nil {
		l.methodErrorf(m, "HTTP rule %s: its response body is field %q, which message %s does not have", rule, name, m.Output.FullName())
	}
}
