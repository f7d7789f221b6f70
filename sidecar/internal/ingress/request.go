package ingress

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/mallee-io/mallee/sidecar/internal/template"
)

// readRequest makes the message of a request with JSON: of the body, the query
// and the path, the later of which override. The bytes are the same for the same
// message, with fields by number.
func (h *Handler) readRequest(ctx context.Context, w http.ResponseWriter, r *http.Request, to *route, variables []template.Variable) ([]byte, error) {
	m := dynamicpb.NewMessage(to.Input)
	if to.body != bodyNone {
		if err := h.readBody(ctx, w, r, to, m); err != nil {
			return nil, err
		}
	}
	if to.body != bodyAll {
		if err := setQuery(m, r.URL.RawQuery); err != nil {
			return nil, err
		}
	}
	for _, v := range variables {
		text, err := v.Value()
		if err != nil {
			return nil, err
		}
		if err := setField(m, v.Field, []string{text}); err != nil {
			return nil, err
		}
	}
	return encode(m)
}

func (h *Handler) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request, to *route, m protoreflect.Message) error {
	if mediaType(r.Header.Get("Content-Type")) != jsonType {
		return badRequest("the content type is not %s", jsonType)
	}
	from := body{Reader: r.Body, w: w}
	from.setDeadline(ctx, h.config.BodyTimeout, true)
	text, err := from.readAll(h.config.MaxMessage)
	if err != nil {
		return err
	}
	if to.body == bodyField {
		m = m.Mutable(to.field).Message()
	}
	return h.json.parseInto(m.Interface(), text, strict)
}

// setQuery sets the fields that a query names.
func setQuery(m protoreflect.Message, query string) error {
	if query == "" {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return badRequest("the query: %v", err)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // so that a request has one outcome
	for _, name := range names {
		if err := setField(m, name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// setField sets a field to texts of the path or the query. The name may be a path
// of names with dots.
func setField(m protoreflect.Message, name string, texts []string) error {
	for {
		first, rest, nested := strings.Cut(name, ".")
		f := m.Descriptor().Fields().ByName(protoreflect.Name(first))
		switch {
		case f == nil:
			return badRequest("there is no field %s", name)
		case !nested:
			return setTexts(m, f, texts)
		case f.Message() == nil || f.IsList() || f.IsMap():
			return badRequest("field %s has no fields", first)
		}
		m, name = m.Mutable(f).Message(), rest
	}
}

func setTexts(m protoreflect.Message, f protoreflect.FieldDescriptor, texts []string) error {
	if f.IsMap() || f.Message() != nil {
		return badRequest("field %s cannot be a text", f.Name())
	}
	if !f.IsList() {
		if len(texts) != 1 {
			return badRequest("field %s is there %d times", f.Name(), len(texts))
		}
		v, err := parseScalar(f, texts[0])
		if err != nil {
			return err
		}
		m.Set(f, v)
		return nil
	}
	list := m.Mutable(f).List()
	for _, text := range texts {
		v, err := parseScalar(f, text)
		if err != nil {
			return err
		}
		list.Append(v)
	}
	return nil
}

// badRequest is what is wrong with a request of HTTP/JSON. Clients are not told.
func badRequest(format string, args ...any) *refusal {
	return refuse(codes.InvalidArgument, format, args...)
}
