package httpapi_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi"
)

// handmade is a call with results of any type; the rest of it is not called.
type handmade[R any] struct {
	mallee.Call
	results struct {
		Result R `json:"result"`
	}
}

func (*handmade[R]) Flags() mallee.CallFlags { return 0 }
func (*handmade[R]) Args() any               { return new(struct{}) }
func (c *handmade[R]) Results() any          { return &c.results }

func methodOf[R any](name string) mallee.Method {
	return mallee.Method{Name: name, New: func() mallee.Call { return new(handmade[R]) }}
}

func schemasOf(t *testing.T, methods ...mallee.Method) map[string]any {
	t.Helper()
	made := mallee.NewType(mallee.Interface{Name: "Handmade", Methods: methods}, nil)
	schemas := documentOf(t, newHandler(t, httpapi.Config{Types: []mallee.Type{made}})).Components.Schemas
	delete(schemas, "Problem")
	delete(schemas, "Wrong")
	return schemas
}

type inner struct {
	Deep, Both, Tagged string
	Renamed            string `json:"renamed"`
}

type Other struct {
	Both   string
	Tagged string `json:"Tagged"`
	Twice  string
}

type named struct{ A int }

type lonely int

type embedding struct {
	inner
	*Other
	named   `json:"named"`
	lonely  //nolint:unused // encoding/json leaves it out
	Renamed string
	Skipped string `json:"-"`
	Empty   string `json:",omitempty"`
	Text    int    `json:"text,string"`
}

// Structs have the fields that encoding/json gives them.
func TestFieldsAreThoseOfJSON(t *testing.T) {
	t.Parallel()
	value := embedding{Other: &Other{}, Empty: "x"}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, schema := range schemasOf(t, methodOf[embedding]("A")) {
		if !strings.EqualFold(name, "embedding") {
			continue
		}
		got := schema.(map[string]any)["properties"].(map[string]any)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Errorf("got fields %v, want those of %s", slices.Sorted(maps.Keys(got)), text)
		}
		return
	}
	t.Error("no schema")
}

func localItem() mallee.Method {
	type Item struct{ A int }
	return methodOf[Item]("A")
}

func otherLocalItem() mallee.Method {
	type Item struct{ B, Ünï int }
	return methodOf[[]Item]("B")
}

type Größe struct{ N int }

// Types that even share their import path stay two components.
func TestLocalTypesOfOneName(t *testing.T) {
	t.Parallel()
	const long = "github.com.mallee-io.mallee.httpapi_test.Item"
	got := schemasOf(t, localItem(), otherLocalItem(), methodOf[Größe]("C"))
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"Gr__e", long, long + "_2"}) {
		t.Errorf("components %v", names)
	}
	if reflect.DeepEqual(got[long], got[long+"_2"]) {
		t.Error("two types have one schema")
	}
}

// colour has a JSON form of its own, and says so.
type colour struct{}

func (colour) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: "^#[0-9a-f]{6}$"}
}

type paint struct {
	Colour  colour             `json:"colour"`
	Maybe   *colour            `json:"maybe"`
	Number  json.Number        `json:"number"`
	Any     map[string]any     `json:"any"`
	Pattern string             `json:"pattern" pattern:"^[a-z]+$" example:"abc"`
	Sum     map[lonely]float32 `json:"sum"`
}

func TestSchemasOfOddTypes(t *testing.T) {
	t.Parallel()
	got, _ := json.Marshal(schemasOf(t, methodOf[paint]("A"))["Paint"].(map[string]any)["properties"])
	want := `{"any":{"additionalProperties":{},"type":["object","null"]},"colour":{"pattern":"^#[0-9a-f]{6}$","type":"string"},` +
		`"maybe":{"pattern":"^#[0-9a-f]{6}$","type":["string","null"]},"number":{"type":"number"},` +
		`"pattern":{"examples":["abc"],"pattern":"^[a-z]+$","type":"string"},` +
		`"sum":{"additionalProperties":{"format":"float","type":"number"},"type":["object","null"]}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

type wrongTag struct {
	N int `json:"n" minimum:"low"`
}

type unique struct {
	S []struct{ A int } `json:"s" uniqueItems:"true"`
}

type chain struct {
	Next struct {
		Go func() `json:"go"`
	} `json:"next"`
}

func TestTypesAreRefusedWithTheirPath(t *testing.T) {
	t.Parallel()
	for want, method := range map[string]mallee.Method{
		"results of Handmade.A: result.next.go: func() has no JSON form": methodOf[chain]("A"),
		"results of Handmade.A: result.n: invalid float tag":             methodOf[wrongTag]("A"),
		"results of Handmade.A: result.s: the tag uniqueItems":           methodOf[unique]("A"),
		"results of Handmade.A: result: chan int has no JSON form":       methodOf[chan int]("A"),
	} {
		made := mallee.NewType(mallee.Interface{Name: "Handmade", Methods: []mallee.Method{method}}, nil)
		if _, err := httpapi.New(httpapi.Config{Caller: &stalls{}, Types: []mallee.Type{made}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
