package ingress

import (
	"fmt"
	"net/http"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/template"
)

// route is one way to call a method with HTTP and JSON.
type route struct {
	*endpoint
	verb     string // of HTTP; "*": every one
	path     *template.Template
	body     bodyRule
	field    protoreflect.FieldDescriptor // of the request that is the body; only for bodyField
	response protoreflect.FieldDescriptor // of the reply that is the answer; nil: all of it
}

// bodyRule is what the body of a request is.
type bodyRule uint8

const (
	bodyNone  bodyRule = iota // nothing, and it is dropped
	bodyAll                   // the message
	bodyField                 // one field of the message
)

// addRoutes adds the routes of a method in front of all others: what is declared
// later is tried first. A method without rules has a route by its name.
func (h *Handler) addRoutes(e *endpoint) error {
	if len(e.Rules) == 0 {
		path, err := template.Parse(e.Path())
		if err != nil {
			return fmt.Errorf("ingress: method %s of %s: %w", e.Name, e.Service.Name, err)
		}
		h.addRoute(&route{endpoint: e, verb: http.MethodPost, path: path, body: bodyAll})
		return nil
	}
	for _, rule := range e.Rules {
		verb, text := spec.Pattern(rule)
		path, err := template.Parse(text)
		if err != nil {
			return fmt.Errorf("ingress: method %s of %s: %w", e.Name, e.Service.Name, err)
		}
		r := &route{endpoint: e, verb: verb, path: path}
		switch name := rule.GetBody(); name {
		case "":
		case "*":
			r.body = bodyAll
		default:
			r.body = bodyField
			if r.field, err = field(e.Input, name); err != nil {
				return err
			}
		}
		if name := rule.GetResponseBody(); name != "" {
			if r.response, err = field(e.Output, name); err != nil {
				return err
			}
		}
		h.addRoute(r)
	}
	return nil
}

func (h *Handler) addRoute(r *route) { h.routes = slices.Insert(h.routes, 0, r) }

func field(of protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	f := of.Fields().ByName(protoreflect.Name(name))
	if f == nil {
		return nil, fmt.Errorf("ingress: an HTTP rule names the field %s, which message %s does not have", name, of.FullName())
	}
	return f, nil
}

// serveRoute answers a request that a route fits, and reports whether one does.
func (h *Handler) serveRoute(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	for _, route := range h.routes {
		if route.verb != "*" && route.verb != r.Method {
			continue
		}
		if variables, ok := route.path.Match(path); ok {
			h.serveJSON(w, r, route, variables)
			return true
		}
	}
	return false
}
