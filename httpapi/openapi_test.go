package httpapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/httpapi/internal/market"
	"github.com/mallee-io/mallee/internal/generate/roundtrip"
)

type operation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Responses                         map[string]any
}

type document struct {
	OpenAPI string
	Info    struct{ Title, Version string }
	Servers []struct{ URL string }
	Tags    []struct{ Name, Description string }
	Paths   map[string]struct{ Get, Post *operation }

	Components struct{ Schemas map[string]any }
}

func documentOf(t *testing.T, h http.Handler) document {
	t.Helper()
	w := request(h, "GET", "/openapi.json", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var d document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// schemaOf compiles the schema at a path of the document.
func schemaOf(t *testing.T, h http.Handler, path ...string) *jsonschema.Schema {
	t.Helper()
	text, err := jsonschema.UnmarshalJSON(request(h, "GET", "/openapi.json", "").Body)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("/openapi.json", text); err != nil {
		t.Fatal(err)
	}
	for i := range path {
		path[i] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(path[i]))
	}
	schema, err := compiler.Compile("/openapi.json#/" + strings.Join(path, "/"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestDocument(t *testing.T) {
	t.Parallel()
	d := documentOf(t, newHandler(t, httpapi.Config{Title: "Market", Version: "2.1"}))
	if d.OpenAPI != "3.1.0" || d.Info.Title != "Market" || d.Info.Version != "2.1" || d.Servers[0].URL != "." {
		t.Errorf("%+v", d)
	}
	if len(d.Tags) != 2 || d.Tags[1].Name != "Stall" || d.Tags[1].Description != "Stall sells goods. There is one per key." {
		t.Errorf("tags %+v", d.Tags)
	}
	if len(d.Paths) != 12 {
		t.Errorf("%d paths: %v", len(d.Paths), slices.Sorted(maps.Keys(d.Paths)))
	}
	buy := d.Paths["/actors/Stall/{key}/Buy"].Post
	if buy.OperationID != "Stall.Buy" || buy.Tags[0] != "Stall" || buy.Responses["200"] == nil || buy.Responses["default"] == nil ||
		buy.Summary != "Stall.Buy" && !strings.HasPrefix(buy.Summary, "Buy takes n of an item") || !strings.HasSuffix(buy.Description, "A second paragraph.") {
		t.Errorf("%+v", buy)
	}
	if ring := d.Paths["/actors/Stall/{key}/Ring"].Post; ring.Responses["202"] == nil {
		t.Errorf("%+v", ring)
	}
	if end := d.Paths["/actors/Stall/{key}/Close"].Post; end.Responses["204"] == nil || end.Summary != "Close" {
		t.Errorf("%+v", end)
	}
	if stock := d.Paths["/actors/Stall/{key}/Stock"]; stock.Get == nil || stock.Post != nil {
		t.Error("a read-only method without arguments is not a GET")
	}
	if key := d.Paths["/actors/Stall/{key}/Greeter.Key"].Post; key == nil || key.OperationID != "Stall.Greeter.Key" {
		t.Errorf("the second of two methods of one name: %+v", key)
	}
}

// Two types of one name, in market and in market/freight, are two components.
func TestComponentNames(t *testing.T) {
	t.Parallel()
	d := documentOf(t, newHandler(t, httpapi.Config{}))
	want := []string{"Mixed", "PairItemInt", "PairStringListItem", "Problem", "Shelves", "Tree", "URL", "Userinfo", "Wrong", "freight.Item", "market.Item"}
	if got := slices.Sorted(maps.Keys(d.Components.Schemas)); !slices.Equal(got, want) {
		t.Errorf("components\n%v, want\n%v", got, want)
	}
	item, _ := json.Marshal(d.Components.Schemas["market.Item"])
	if string(item) != `{"additionalProperties":false,"properties":{"name":{"description":"What it is","minLength":1,"type":"string"},`+
		`"note":{"type":"string"},"price":{"format":"double","minimum":0,"type":"number"},"tags":{"items":{"type":"string"},"type":["array","null"]}},`+
		`"required":["name","price"],"type":"object"}` {
		t.Errorf("market.Item: %s", item)
	}
}

func TestDocumentsAreValid(t *testing.T) {
	t.Parallel()
	everything := mallee.NewType(roundtrip.EverythingInterface(), nil)
	for name, config := range map[string]httpapi.Config{
		"market":    {},
		"game":      {Types: game.Types()},
		"no types":  {Types: []mallee.Type{}},
		"roundtrip": {Types: []mallee.Type{everything}, Expose: func(_, method string) bool { return method != "Basics" && method != "Composites" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := request(newHandler(t, config), "GET", "/openapi.json", "").Body.Bytes()
			doc, err := libopenapi.NewDocument(text)
			if err != nil {
				t.Fatal(err)
			}
			v, errs := validator.NewValidator(doc)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if ok, errs := v.ValidateDocument(); !ok {
				for _, e := range errs {
					t.Errorf("%s: %s %v", e.Message, e.Reason, e.SchemaValidationErrors)
				}
			}
		})
	}
}

// What is sent and answered is what the document says.
func TestAnswersMatchTheDocument(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{})
	mixed, err := json.Marshal(market.NewMixed())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "Buy", `{"item":"apple","n":1}`, 200},
		{"POST", "Buy", `{"item":"apple","n":100}`, 422},
		{"POST", "Fail", `{"code":"","message":"m"}`, 500},
		{"POST", "Fail", `{"code":"overloaded","message":"m"}`, 429},
		{"POST", "Fail", `{"code":"conflict","message":"m"}`, 409},
		{"GET", "Stock", ``, 200},
		{"POST", "Close", ``, 204},
		{"POST", "Ring", `{"loud":false}`, 202},
		{"POST", "Walk", `{"tree":{"value":1,"left":{"value":2,"index":{"a":null}},"children":[]},"shelves":{"a":{},"b":null}}`, 200},
		{"POST", "Walk", `{"tree":null,"shelves":null}`, 200},
		{"POST", "Load", `{"item":{"name":"x","price":1.5},"from":{"tons":3}}`, 200},
		{"POST", "Mixed", `{"mixed":` + string(mixed) + `}`, 200},
	} {
		operation := []string{"paths", "/actors/Stall/{key}/" + c.path, strings.ToLower(c.method)}
		if c.body != "" {
			schema := schemaOf(t, h, append(operation, "requestBody", "content", "application/json", "schema")...)
			if err := validate(t, schema, c.body); err != nil {
				t.Errorf("%s: the document refuses %s: %v", c.path, c.body, err)
			}
		}
		w := request(h, c.method, "/actors/Stall/1/"+c.path, c.body)
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", c.path, w.Code, w.Body, c.status)
		}
		var schema *jsonschema.Schema
		switch {
		case w.Code >= 400:
			schema = schemaOf(t, h, "components", "responses", "problem", "content", "application/problem+json", "schema")
		case w.Code == 200:
			schema = schemaOf(t, h, append(operation, "responses", "200", "content", "application/json", "schema")...)
		default:
			continue
		}
		if err := validate(t, schema, w.Body.String()); err != nil {
			t.Errorf("%s: the answer %s is not what the document says: %v", c.path, w.Body, err)
		}
	}
	buy := schemaOf(t, h, "paths", "/actors/Stall/{key}/Buy", "post", "requestBody", "content", "application/json", "schema")
	for _, body := range []string{`{"item":"apple"}`, `{"item":"apple","n":"1"}`, `{"item":"apple","n":1,"m":1}`, `null`} {
		if validate(t, buy, body) == nil {
			t.Errorf("the document allows %s, which the API refuses", body)
		}
	}
}

func TestTypesThatCannotBeServed(t *testing.T) {
	t.Parallel()
	everything := mallee.NewType(roundtrip.EverythingInterface(), nil)
	for want, config := range map[string]httpapi.Config{
		"has no Caller":                     {},
		"MaxBodyBytes -1 is negative":       {Caller: &stalls{}, MaxBodyBytes: -1},
		"MaxTimeout -1ns is negative":       {Caller: &stalls{}, MaxTimeout: -1},
		"two actor types are named":         {Caller: &stalls{}, Types: []mallee.Type{stallType(), stallType()}},
		`"" cannot be the name`:             {Caller: &stalls{}, Types: []mallee.Type{{}}},
		"v.C64: complex64 has no JSON form": {Caller: &stalls{}, Types: []mallee.Type{everything}},
		"v.ByArray: map[[2]int]bool has no JSON form": {
			Caller: &stalls{}, Types: []mallee.Type{everything},
			Expose: func(_, method string) bool { return method == "Composites" },
		},
	} {
		_, err := httpapi.New(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
