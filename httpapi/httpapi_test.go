package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/malleetest"
)

// direct is a Caller that gives every call the same answer.
type direct struct {
	err    error
	invoke func(ctx context.Context, id mallee.ID, call mallee.Call) error
}

func (d direct) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	if d.invoke != nil {
		return d.invoke(ctx, id, call)
	}
	return d.err
}

func handler(t testing.TB, c mallee.Caller, types ...mallee.Type) *httpapi.Handler {
	t.Helper()
	if types == nil {
		types = game.Types()
	}
	h, err := httpapi.New(httpapi.Config{Caller: c, Types: types, MaxBody: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func do(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type problem struct {
	Type, Title, Detail, Code, Actor string
	Status                           int
	RetrySafe                        bool `json:"retry_safe"`
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, detail string) problem {
	t.Helper()
	var p problem
	if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("status %d %s, want %d: %s", w.Code, w.Header().Get("Content-Type"), status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != status || !strings.Contains(p.Detail, detail) {
		t.Errorf("problem %+v, want %q", p, detail)
	}
	return p
}

func TestCalls(t *testing.T) {
	t.Parallel()
	h := handler(t, malleetest.Start(t, 1, game.Types()...).Node(0))
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/actors/Player/1001/Give", `{"item":"sword","n":2}`, 200, `{"total":2}`},
		{"/actors/Player/1001/Player.Give", `{"item":"sword","n":1}`, 200, `{"total":3}`},
		{"/actors/Player/1001/Bag", ``, 200, `{"items":{"sword":3}}`},
		{"/actors/Player/1001/Bag", `{}`, 200, `{"items":{"sword":3}}`},
		{"/actors/Participant/1001/Nickname", ``, 200, `{"result":"1001 (1 items)"}`},
		{"/actors/Player/1001/Hear", `{"line":"x"}`, 202, ``},
		{"/actors/Room/hall/Leave", `{"who":"Player/1001"}`, 204, ``},
		{"/actors/Player/a%2Fb%20%C3%A9..%3F/Echo", `{"msg":"hi"}`, 200, `{"result":"hi"}`},
		{"/actors/Player/../Echo", `{"msg":"x"}`, 404, ``},
	} {
		w := do(h, http.MethodPost, c.path, c.body)
		if c.status == 404 {
			continue // a client that does not escape dots asks for another path
		}
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.path, w.Code, w.Body, c.status, c.want)
		}
	}
	p := wantProblem(t, do(h, http.MethodPost, "/actors/Player/1001/Give", `{"item":"sword","n":-1}`), 422, "cannot give -1 of sword")
	if p.Code != "game.bad_amount" || p.Type != "urn:mallee:error:game.bad_amount" || p.Actor != "Player/1001" || p.RetrySafe {
		t.Errorf("%+v", p)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	h := handler(t, direct{err: errors.New("it must not get here")})
	give := "/actors/Player/1001/Give"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		detail             string
	}{
		"unknown type":     {"POST", "/actors/Dragon/1/Fly", `{}`, 404, `no actor type "Dragon"`},
		"unknown method":   {"POST", "/actors/Player/1/Fly", `{}`, 404, `actor type Player has no method "Fly"`},
		"not JSON":         {"POST", give, `{"item":`, 400, "the body is not JSON"},
		"two values":       {"POST", give, `{"item":"x","n":1} {}`, 400, "the body is not JSON"},
		"array":            {"POST", give, `[1]`, 400, "expected object"},
		"null":             {"POST", give, `null`, 400, "expected object"},
		"wrong type":       {"POST", give, `{"item":"x","n":"1"}`, 400, "n: expected integer"},
		"fraction":         {"POST", give, `{"item":"x","n":1.5}`, 400, "n: expected integer"},
		"missing argument": {"POST", give, `{"item":"x"}`, 400, "expected required property n to be present"},
		"unknown argument": {"POST", give, `{"item":"x","n":1,"m":1}`, 400, "m: unexpected property"},
		"not UTF-8":        {"POST", give, "{\"item\":\"\xff\",\"n\":1}", 400, "not valid UTF-8"},
		"oversized":        {"POST", give, `{"item":"` + strings.Repeat("x", 2000) + `","n":1}`, 413, "larger than 1000 bytes"},
		"out of range":     {"POST", give, `{"item":"x","n":1e30}`, 400, "wrong arguments"},
		"long key":         {"POST", "/actors/Player/" + strings.Repeat("k", 1025) + "/Echo", `{"msg":"x"}`, 400, "at most 1024"},
		"key not UTF-8":    {"POST", "/actors/Player/%ff/Echo", `{"msg":"x"}`, 400, "not valid UTF-8"},
		"empty key":        {"POST", "/actors/Player//Echo", `{"msg":"x"}`, 404, "a key that is not empty"},
		"bad id":           {"POST", "/actors/Room/hall/Leave", `{"who":"nobody"}`, 400, "no slash"},
		"GET":              {"GET", give, ``, 405, "GET is not allowed here, POST is"},
		"DELETE":           {"DELETE", "/openapi.json", ``, 405, "DELETE is not allowed here, GET is"},
		"nowhere":          {"GET", "/nowhere", ``, 404, "there is nothing at /nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := do(h, c.method, c.path, c.body)
			wantProblem(t, w, c.status, c.detail)
			if c.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
	wantProblem(t, do(h, http.MethodPost, give, `x`, "Content-Type", "text/xml"), 400, "has to be application/json")
}

func TestStatusOfEachCode(t *testing.T) {
	t.Parallel()
	for err, status := range map[*mallee.Error]int{
		mallee.ErrInvalid: 400, mallee.ErrNotFound: 404, mallee.ErrOverloaded: 429, mallee.ErrTimeout: 504,
		mallee.ErrCanceled: 499, mallee.ErrUnavailable: 503, mallee.ErrCycle: 508, mallee.ErrActivation: 503,
		mallee.ErrPanic: 500, mallee.ErrConflict: 409, mallee.ErrFenced: 503, mallee.NewError("app.x", "x"): 422,
		mallee.NewError("custom", "x"): 500,
	} {
		w := do(handler(t, direct{err: err.BeforeRun()}), http.MethodPost, "/actors/Player/1/Bag", "")
		p := wantProblem(t, w, status, err.Message)
		if p.Code != string(err.Code) || !p.RetrySafe {
			t.Errorf("%+v", p)
		}
		if retry := w.Header().Get("Retry-After") != ""; retry != (status == 429 || status == 503) {
			t.Errorf("%s: Retry-After %v", err.Code, retry)
		}
	}
	wantProblem(t, do(handler(t, direct{err: errors.New("plain")}), http.MethodPost, "/actors/Player/1/Bag", ""), 500, "plain")
}

// number is a call whose result JSON cannot carry.
type number struct {
	mallee.Call
	args    struct{}
	results struct {
		X float64 `json:"x"`
	}
}

func (n *number) Flags() mallee.CallFlags { return 0 }
func (n *number) Args() any               { return &n.args }
func (n *number) Results() any            { return &n.results }

func typeOf(newCall func() mallee.Call) mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Number", Methods: []mallee.Method{{Name: "Get", New: newCall}}}, func(*mallee.Self) any { return nil })
}

func TestResultsThatJSONCannotCarry(t *testing.T) {
	t.Parallel()
	h := handler(t, direct{invoke: func(_ context.Context, _ mallee.ID, c mallee.Call) error {
		c.(*number).results.X = math.NaN()
		return nil
	}}, typeOf(func() mallee.Call { return new(number) }))
	wantProblem(t, do(h, http.MethodPost, "/actors/Number/1/Get", ""), 500, "its results cannot be JSON")
}

type complexCall struct {
	number
	results struct{ X complex128 }
}

func (n *complexCall) Results() any { return &n.results }

func TestTypesThatJSONCannotCarryAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := httpapi.New(httpapi.Config{Caller: direct{}, Types: []mallee.Type{typeOf(func() mallee.Call { return new(complexCall) })}})
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "the results of Number.Get cannot be JSON") {
		t.Errorf("got %v", err)
	}
}

func TestClientThatGoesEndsTheCall(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(handler(t, direct{invoke: func(ctx context.Context, _ mallee.ID, _ mallee.Call) error {
		close(started)
		<-ctx.Done()
		close(ended)
		return mallee.ErrCanceled
	}}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/actors/Player/1/Bag", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if response, err := http.DefaultClient.Do(r); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-started
	cancel()
	<-ended
}

func TestOpenAPIDocument(t *testing.T) {
	t.Parallel()
	w := do(handler(t, direct{}), http.MethodGet, "/openapi.json", "")
	var document struct {
		OpenAPI string
		Paths   map[string]struct {
			Post struct {
				Summary     string
				Tags        []string
				RequestBody struct {
					Content map[string]struct {
						Schema struct {
							Ref string `json:"$ref"`
						}
					}
				}
				Responses map[string]any
			}
		}
		Components struct {
			Schemas map[string]struct {
				Type       any
				Properties map[string]struct{ Type any }
				Required   []string
			}
			Responses map[string]any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || len(document.Paths) != 8+3+2 {
		t.Errorf("%s with %d paths", document.OpenAPI, len(document.Paths))
	}
	give := document.Paths["/actors/Player/{key}/Give"].Post
	if give.Summary != "Give puts n of an item into the bag and answers how many are there now" || give.Tags[0] != "Player" {
		t.Errorf("%+v", give)
	}
	args := document.Components.Schemas[strings.TrimPrefix(give.RequestBody.Content["application/json"].Schema.Ref, "#/components/schemas/")]
	if fmt.Sprintf("%v %v %v", args.Properties["item"].Type, args.Properties["n"].Type, args.Required) != "string integer [item n]" {
		t.Errorf("arguments %+v", args)
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/([^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		kind, name, _ := strings.Cut(ref[1], "/")
		_, schema := document.Components.Schemas[name]
		_, response := document.Components.Responses[name]
		if kind == "schemas" && !schema || kind == "responses" && !response {
			t.Errorf("%s refers to nothing", ref[0])
		}
	}
}

// The docs page has to work without another host.
func TestDocsPageIsComplete(t *testing.T) {
	t.Parallel()
	h := handler(t, direct{})
	w := do(h, http.MethodGet, "/docs/", "")
	if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'self'") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	page := w.Body.String()
	assets := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(assets) < 3 {
		t.Errorf("the page has %d assets:\n%s", len(assets), page)
	}
	for _, asset := range assets {
		if strings.Contains(asset[1], "//") {
			t.Errorf("the page loads %s from elsewhere", asset[1])
			continue
		}
		path := asset[1]
		if !strings.HasPrefix(path, "/") {
			path = "/docs/" + path
		}
		if w := do(h, http.MethodGet, path, "", "Accept-Encoding", "gzip, br"); w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := do(h, http.MethodGet, "/", ""); w.Code != http.StatusFound {
		t.Errorf("/ answers %d", w.Code)
	}
}

func FuzzBody(f *testing.F) {
	h := handler(f, direct{})
	for _, seed := range []string{`{"item":"x","n":1}`, `{`, `[]`, `{"item":null,"n":1e400}`, "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if w := do(h, http.MethodPost, "/actors/Player/1/Give", body); w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func ExampleNew() {
	// A node is the Caller of a real server.
	echo := direct{invoke: func(_ context.Context, id mallee.ID, call mallee.Call) error {
		return call.DecodeResults([]byte{0x91, 0xa5, 'h', 'e', 'l', 'l', 'o'})
	}}
	h, err := httpapi.New(httpapi.Config{Caller: echo, Types: game.Types()})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(h)
	defer server.Close()
	response, err := http.Post(server.URL+"/actors/Player/1001/Echo", "application/json", strings.NewReader(`{"msg":"hello"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Print(string(body))
	// Output: {"result":"hello"}
}
