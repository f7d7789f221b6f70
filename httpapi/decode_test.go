package httpapi_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/httpapi/internal/market"
)

func TestBadBodies(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{})
	for _, c := range []struct{ method, body, detail string }{
		{"Buy", ``, "item: is missing; n: is missing"},
		{"Buy", `{"n":1}`, "item: is missing"},
		{"Buy", `{"item":"x","n":"1"}`, "n: expected integer, got string"},
		{"Buy", `{"item":"x","n":1.5}`, "n: expected integer, got number"},
		{"Buy", `{"item":"x","n":null}`, "n: expected integer, got null"},
		{"Buy", `{"item":7,"n":[]}`, "item: expected string, got integer; n: expected integer, got array"},
		{"Buy", `{"item":"x","n":1e400}`, "n: number 1e400 is out of range"},
		{"Buy", `{"item":"x","n":1e3}`, "n: number 1e3 does not fit int"},
		{"Buy", `{"item":"x","n":9223372036854775808}`, "n: number 9223372036854775808 does not fit int"},
		{"Buy", `{"item":"x","n":1,"m":2}`, "m: is unknown"},
		{"Buy", `{"item":"x","n":1,"N":2}`, "N: is unknown"},
		{"Buy", `{"Item":"x","n":1}`, "item: is missing; Item: is unknown"},
		{"Buy", `{"item":"x","n":1,"n":2}`, "n: is there twice"},
		{"Buy", `{"item":"x","n":1,"\u006e":2}`, "n: is there twice"},
		{"Buy", `{"item":"x","n":1} x`, "the body is not JSON: invalid character 'x' after top-level value at byte 20"},
		{"Buy", `{"item":"x","n":1} {}`, "the body is not JSON"},
		{"Buy", `{"item":"x","n":`, "the body is not JSON: unexpected end of JSON input"},
		{"Buy", `{"item":"x" "n":1}`, "the body is not JSON"},
		{"Buy", `{"item":"x",}`, "the body is not JSON"},
		{"Buy", "\ufeff{}", "the body is not JSON"},
		{"Buy", "{\"item\":\"\xff\",\"n\":1}", "the body is not valid UTF-8"},
		{"Buy", `[1]`, "expected object, got array"},
		{"Buy", `null`, "expected object, got null"},
		{"Buy", `"x"`, "expected object, got string"},
		{"Stock", `{"x":1}`, "x: is unknown"},
		{"Load", `{"item":{"name":"x","price":1,"tags":["a",2]},"from":{"tons":1}}`, "item.tags[1]: expected string, got integer"},
		{"Load", `{"item":{"name":"","price":-1},"from":{}}`, "from.tons: is missing"},
		{"Load", `{"item":{"name":"","price":-1},"from":{"tons":1}}`, "item.name: expected length >= 1; item.price: expected number >= 0"},
		{"Load", `{"item":{"name":"x","price":1,"x":{"x":1}},"from":{"tons":1,"tons":2}}`, "from.tons: is there twice"},
		{"Walk", `{"tree":{"value":1,"children":[{"value":1},{"value":300}]},"shelves":null}`, "tree.children[1].value: expected number <= 127"},
		{"Walk", `{"tree":{"value":1,"index":{"a":{"left":{}}}},"shelves":null}`, "tree.index.a.value: is missing; tree.index.a.left.value: is missing"},
		{"Walk", `{"tree":null,"shelves":{"a":{"b":7}}}`, "shelves.a.b: expected object, got integer"},
		{"Walk", `{"tree":` + strings.Repeat(`{"value":1,"left":`, 300) + `null` + strings.Repeat(`}`, 300) + `,"shelves":null}`, "is nested deeper than 200 levels"},
		{"Walk", strings.Repeat("[", 500_000), "the body is not JSON"},
	} {
		w := request(h, "POST", "/actors/Stall/1/"+c.method, c.body)
		p := problemOf(t, w, 400)
		if !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s %.100s: %q, want %q", c.method, c.body, p.Detail, c.detail)
		}
		if len(p.Errors) == 0 || p.Actor != "Stall/1" || !p.RetrySafe {
			t.Errorf("%+v", p)
		}
	}
	many := `{"item":{"name":"x","price":1,"tags":[` + strings.Repeat("1,", 99) + `1]},"from":{"tons":1}}`
	if p := problemOf(t, request(h, "POST", "/actors/Stall/1/Load", many), 400); len(p.Errors) != 10 {
		t.Errorf("%d errors, want the first 10", len(p.Errors))
	}
}

// What encoding/json writes is what the API reads, and the other way round.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{})
	var zero market.Mixed
	zero.Again.First.Name = "not empty, as its tag says"
	for _, mixed := range []market.Mixed{market.NewMixed(), zero} {
		sent, err := json.Marshal(map[string]any{"mixed": mixed})
		if err != nil {
			t.Fatal(err)
		}
		w := request(h, "POST", "/actors/Stall/1/Mixed", string(sent))
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		var got struct{ Result any }
		var want struct{ Mixed any }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(sent, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Result, want.Mixed) {
			t.Errorf("got  %v\nwant %v", got.Result, want.Mixed)
		}
	}
}

// FuzzBody sends bodies to methods of all kinds of arguments: an answer is
// either the results or a problem, and what was accepted is accepted again in
// the form in which it comes back.
func FuzzBody(f *testing.F) {
	h := newHandler(f, httpapi.Config{})
	mixed, err := json.Marshal(market.NewMixed())
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{
		``, `{}`, `null`, `[[[[`, `{"item":"x","n":1}`, `{"n":1,"n":2}`, `{"item":{"name":"x","price":1e308,"tags":[]},"from":{"tons":-1}}`,
		`{"tree":{"value":1,"left":null,"children":[{"value":2}],"index":{"":null}},"shelves":{"a":{}}}`,
		`{"mixed":` + string(mixed) + `}`, "{\"\xff\":1}", `{"tree":null,"shelves":{"\ud800":null}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, method := range []string{"Load", "Mixed", "Walk", "Stock"} {
			w := request(h, "POST", "/actors/Stall/1/"+method, body)
			switch {
			case w.Code == 400:
				problemOf(t, w, 400)
				continue
			case w.Code != 200 || !json.Valid(w.Body.Bytes()):
				t.Fatalf("%s %q: %d %s", method, body, w.Code, w.Body)
			}
			if method != "Mixed" {
				continue
			}
			again := strings.Replace(w.Body.String(), `"result"`, `"mixed"`, 1)
			if second := request(h, "POST", "/actors/Stall/1/Mixed", again); second.Code != 200 || second.Body.String() != w.Body.String() {
				t.Fatalf("%q came back as %s, which gives %d %s", body, again, second.Code, second.Body)
			}
		}
	})
}
