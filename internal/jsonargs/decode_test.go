package jsonargs_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/jsonargs"
)

type arguments struct {
	Item string         `json:"item"`
	N    int8           `json:"n,omitempty"`
	More map[string]any // without a tag
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`["sword",3,{"a":1}]`, `{"n":3,"More":{"a":1},"item":"sword"}`} {
		var args arguments
		if err := jsonargs.Decode([]byte(body), &args); err != nil || args.Item != "sword" || args.N != 3 || args.More["a"] != 1.0 {
			t.Errorf("%s: %+v, %v", body, args, err)
		}
	}
	for body, want := range map[string]string{
		``:                                   "expected 3 (item, n, More), got 0",
		`["a",1,{},2]`:                       "expected 3 (item, n, More), got 4",
		`["a",300,{}]`:                       "n: number 300 does not fit int8",
		`{"item":"a","n":1}`:                 "More: is missing",
		`{"item":"a","n":1,"More":{},"m":1}`: "m: is unknown; there are: item, n, More",
		`{"item":"a","n":1,"n":1,"More":{}}`: "n: is there twice",
		`["a",1,{"b":{"c":1,"c":2}}]`:        "[2].b.c: is there twice",
		`null`:                               "expected an array or an object",
		"[\"\xff\"]":                         "not valid UTF-8",
		strings.Repeat("[", 300) + strings.Repeat("]", 300): "nested deeper",
	} {
		var args arguments
		err := jsonargs.Decode([]byte(body), &args)
		if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: %v, want %q", body, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`["sword",3,{"a":1}]`))
	f.Add([]byte(`{"n":3,"More":{"a":1},"item":"sword"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var args arguments
		if jsonargs.Decode(body, &args) != nil {
			return
		}
		again, err := json.Marshal([]any{args.Item, args.N, args.More})
		if err != nil {
			t.Fatal(err)
		}
		if err := jsonargs.Decode(again, &args); err != nil {
			t.Errorf("%q became %q: %v", body, again, err)
		}
	})
}
