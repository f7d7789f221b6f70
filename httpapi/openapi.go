package httpapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// document is the OpenAPI document of all methods.
func (h *Handler) document(s *schemas) ([]byte, error) {
	failure, err := s.of(&problem{}, "Problem")
	if err != nil {
		return nil, err
	}
	api := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: h.config.Title, Version: h.config.Version},
		Paths:   make(map[string]*huma.PathItem),
		Components: &huma.Components{
			Schemas: s.registry,
			Responses: map[string]*huma.Response{"problem": {
				Description: "The call failed",
				Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: failure}},
			}},
		},
	}
	tagged := make(map[string]bool)
	for _, service := range h.services.types {
		for _, m := range service.methods {
			if !tagged[m.iface.Name] {
				tagged[m.iface.Name] = true
				api.Tags = append(api.Tags, &huma.Tag{Name: m.iface.Name, Description: m.iface.Doc})
			}
			name := m.Name
			if first, _ := h.services.method(service, name); first != m {
				name = m.iface.Name + "." + name
			}
			api.Paths["/actors/"+url.PathEscape(service.name)+"/{key}/"+name] = &huma.PathItem{Post: operation(service, m)}
		}
	}
	slices.SortFunc(api.Tags, func(a, b *huma.Tag) int { return strings.Compare(a.Name, b.Name) })
	return json.Marshal(api)
}

func operation(service *service, m *method) *huma.Operation {
	summary, _, _ := strings.Cut(strings.ReplaceAll(m.Doc, "\n", " "), ". ")
	if summary == "" {
		summary = m.Name
	}
	o := &huma.Operation{
		OperationID: service.name + "." + m.iface.Name + "." + m.Name,
		Summary:     strings.TrimSuffix(summary, "."),
		Description: m.Doc,
		Tags:        []string{m.iface.Name},
		Parameters: []*huma.Param{{
			Name: "key", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
			Description: "The key of the " + service.name + ", percent-encoded",
		}},
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/json": {Schema: m.args}}},
		Responses:   map[string]*huma.Response{"default": {Ref: "#/components/responses/problem"}},
	}
	switch {
	case m.oneway:
		o.Responses["202"] = &huma.Response{Description: "The actor will run the method"}
	case m.hasResults:
		o.Responses["200"] = &huma.Response{Description: "The results", Content: map[string]*huma.MediaType{"application/json": {Schema: m.results}}}
	default:
		o.Responses["204"] = &huma.Response{Description: "The method has run"}
	}
	return o
}

func (h *Handler) serveDocument(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(h.openapi)
}
