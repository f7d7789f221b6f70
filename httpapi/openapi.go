package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee"
)

const (
	timeoutParam = "timeout" // in components/parameters
	problemRef   = "#/components/responses/problem"
)

// document is the OpenAPI document of all methods. Its only server is where it
// was found itself, so it is right behind any prefix and host.
func (rs *routes) document(title, version string) ([]byte, error) {
	api := &huma.OpenAPI{
		OpenAPI:    "3.1.0",
		Info:       &huma.Info{Title: title, Version: version},
		Servers:    []*huma.Server{{URL: "."}},
		Paths:      make(map[string]*huma.PathItem),
		Components: rs.components(),
	}
	docs := make(map[string]string)
	for _, t := range rs.types {
		for _, m := range t.methods {
			docs[m.iface.Name] = m.iface.Doc
			api.Paths[t.path(m)] = t.pathItem(m)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		api.Tags = append(api.Tags, &huma.Tag{Name: name, Description: docs[name]})
	}
	return json.Marshal(api)
}

func (rs *routes) components() *huma.Components {
	failure := &huma.Schema{Ref: schemaPrefix + rs.schemas.refs[reflect.TypeFor[problem]()]}
	return &huma.Components{
		Schemas: rs.schemas,
		Responses: map[string]*huma.Response{"problem": {
			Description: "The call failed; code and retry_safe say how",
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: failure}},
		}},
		Parameters: map[string]*huma.Param{timeoutParam: {
			Name: timeoutHeader, In: "header",
			Description: "The call fails after this time",
			Schema:      &huma.Schema{Type: huma.TypeString, Examples: []any{"2s", "500ms"}},
		}},
	}
}

func (t *target) path(m *method) string {
	return "/actors/" + url.PathEscape(t.actorType) + "/{key}/" + url.PathEscape(t.pathName(m))
}

func (t *target) pathItem(m *method) *huma.PathItem {
	one, most := 1, mallee.MaxKeyLength
	operation := &huma.Operation{
		OperationID: t.actorType + "." + t.pathName(m),
		Summary:     summary(m),
		Description: m.Doc,
		Tags:        []string{m.iface.Name},
		Parameters: []*huma.Param{{
			Name: "key", In: "path", Required: true,
			Description: "Key of the " + t.actorType + ", percent-encoded",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
		}, {Ref: "#/components/parameters/" + timeoutParam}},
		Responses: responses(m),
	}
	if m.get {
		return &huma.PathItem{Get: operation}
	}
	operation.RequestBody = &huma.RequestBody{
		Required: len(m.args.Properties) > 0,
		Content:  map[string]*huma.MediaType{"application/json": {Schema: m.args}},
	}
	return &huma.PathItem{Post: operation}
}

// summary is the first sentence of the doc comment.
func summary(m *method) string {
	paragraph, _, _ := strings.Cut(m.Doc, "\n\n")
	text := strings.Join(strings.Fields(paragraph), " ")
	sentence, _, _ := strings.Cut(text, ". ")
	if sentence = strings.TrimSuffix(sentence, "."); sentence == "" {
		return m.Name
	}
	return sentence
}

func responses(m *method) map[string]*huma.Response {
	all := map[string]*huma.Response{"default": {Ref: problemRef}}
	for _, status := range []int{
		http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		all[strconv.Itoa(status)] = &huma.Response{Ref: problemRef}
	}
	switch {
	case m.oneway:
		all["202"] = &huma.Response{Description: "The actor's mailbox has taken the call"}
	case !m.hasResults:
		all["204"] = &huma.Response{Description: "The method has run"}
	default:
		all["200"] = &huma.Response{
			Description: "The results",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: m.results}},
		}
	}
	return all
}
