package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/httpapi/internal/market"
)

func TestResults(t *testing.T) {
	t.Parallel()
	caller := &stalls{}
	h := newHandler(t, httpapi.Config{Caller: caller})
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/actors/Stall/1/Buy", `{"item":"apple","n":3}`, 200, `{"left":7}`},
		{"POST", "/actors/Stall/1/Stall.Buy", ` {"n":1,"item":"apple"} `, 200, `{"left":6}`},
		{"POST", "/actors/Stall/1/Stock", ``, 200, `{"result":[{"name":"apple","price":1,"tags":null}]}`},
		{"POST", "/actors/Stall/1/Stock", `{}`, 200, `{"result":[{"name":"apple","price":1,"tags":null}]}`},
		{"GET", "/actors/Stall/1/Stock", ``, 200, `{"result":[{"name":"apple","price":1,"tags":null}]}`},
		{"POST", "/actors/Stall/1/Close", ``, 204, ``},
		{"POST", "/actors/Stall/1/Ring", `{"loud":true}`, 202, ``},
		{"POST", "/actors/Greeter/1/Greet", `{"name":"ann"}`, 200, `{"result":"hello ann"}`},
		{"POST", "/actors/Greeter/1/Buy", `{"item":"apple","n":6}`, 200, `{"left":0}`},
		{"POST", "/actors/Stall/1/Greeter.Key", ``, 200, `{"result":"1"}`},
		{"POST", "/actors/Stall/1/Walk", `{"tree":{"value":1,"left":{"value":2}},"shelves":{"a":{"b":null}}}`, 200,
			`{"result":{"value":1,"left":{"value":2,"left":null,"children":null,"index":null},"children":null,"index":null}}`},
		{"POST", "/actors/Stall/1/Walk", `{"tree":null,"shelves":null}`, 200, `{"result":null}`},
	} {
		w := request(h, c.method, c.path, c.body)
		if got := strings.TrimSpace(w.Body.String()); w.Code != c.status || got != c.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, w.Code, got, c.status, c.want)
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", c.path, w.Header())
		}
	}
	if loud := <-caller.stall(mallee.ID{Type: "Stall", Key: "1"}).Rung; !loud {
		t.Error("the argument of the one-way call was lost")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{})
	server := httptest.NewServer(http.StripPrefix("/api", h)) // a real client and server, below a prefix
	t.Cleanup(server.Close)
	for path, key := range map[string]string{
		"1001":                    `1001`,
		"a%2Fb%2F%2Fc":            `a/b//c`,
		"two%20words":             `two words`,
		"a+b":                     `a+b`,
		"%C3%A9%E2%82%AC":         `é€`,
		"1.2..3":                  `1.2..3`,
		"%2E%2E":                  `..`,
		"%2E":                     `.`,
		"50%25%3F%23":             `50%?#`,
		"%2F":                     `/`,
		"a:b;c=d,e@f&g":           `a:b;c=d,e@f&g`,
		strings.Repeat("k", 1024): strings.Repeat("k", 1024),
	} {
		resp, err := http.Post(server.URL+"/api/actors/Stall/"+path+"/Key", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		want := strings.ReplaceAll(`{"result":"`+key+`"}`, "&", `\u0026`)
		if got := strings.TrimSpace(string(body)); got != want {
			t.Errorf("key %s: %d %s, want %s", path, resp.StatusCode, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	unreached := callerFunc(func(context.Context, mallee.ID, mallee.Call) error {
		t.Error("the call reached the caller")
		return nil
	})
	kiosk := mallee.NewType(mallee.Interface{Name: "Kiosk"}, nil, mallee.Serves(market.GreeterInterface()))
	h := newHandler(t, httpapi.Config{Caller: unreached, Types: []mallee.Type{stallType(), kiosk}, MaxBodyBytes: 1000})
	buy, good := "/actors/Stall/1/Buy", `{"item":"apple","n":1}`
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		detail             string
	}{
		"unknown type":     {"POST", "/actors/Dragon/1/Fly", ``, nil, 404, `there is no actor type "Dragon"`},
		"unknown method":   {"POST", "/actors/Stall/1/Fly", ``, nil, 404, `actor type Stall has no method "Fly"`},
		"lower case":       {"POST", "/actors/Stall/1/buy", good, nil, 404, `no method "buy"`},
		"two types":        {"POST", "/actors/Greeter/1/Greet", ``, nil, 404, "served by the actor types Stall, Kiosk"},
		"no method":        {"POST", "/actors/Stall/1", ``, nil, 404, "the path of a call is"},
		"slash in key":     {"POST", "/actors/Stall/a/b/Buy", good, nil, 404, "%2F"},
		"empty key":        {"POST", "/actors/Stall//Buy", good, nil, 400, "empty key"},
		"long key":         {"POST", "/actors/Stall/" + strings.Repeat("k", 1025) + "/Buy", good, nil, 400, "at most 1024"},
		"key not UTF-8":    {"POST", "/actors/Stall/%ff/Buy", good, nil, 400, "not valid UTF-8"},
		"nowhere":          {"GET", "/nowhere", ``, nil, 404, "there is nothing at /nowhere"},
		"no asset":         {"GET", "/docs/x.js", ``, nil, 404, "there is nothing"},
		"GET":              {"GET", buy, ``, nil, 405, "POST"},
		"DELETE":           {"DELETE", buy, ``, nil, 405, "POST"},
		"PUT of a getter":  {"PUT", "/actors/Stall/1/Stock", ``, nil, 405, "GET, HEAD, POST"},
		"POST to docs":     {"POST", "/docs/", ``, nil, 405, "GET, HEAD"},
		"POST to document": {"POST", "/openapi.json", ``, nil, 405, "GET, HEAD"},
		"oversized":        {"POST", buy, `{"item":"` + strings.Repeat("x", 1000) + `","n":1}`, nil, 413, "larger than 1000 bytes"},
		"text":             {"POST", buy, good, []string{"Content-Type", "text/plain"}, 415, "expected application/json"},
		"multipart":        {"POST", buy, good, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "expected application/json"},
		"form":             {"POST", buy, "item=apple&n=1", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400, "the body is not JSON"},
		"forged form":      {"POST", buy, good, []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", "null"}, 403, "other origins"},
		"no type":          {"POST", buy, good, []string{"Content-Type", ""}, 415, "expected application/json"},
		"charset":          {"POST", buy, good, []string{"Content-Type", "application/json; charset=latin1"}, 415, "expected utf-8"},
		"gzip":             {"POST", buy, good, []string{"Content-Encoding", "gzip"}, 415, "Content-Encoding"},
		"timeout":          {"POST", buy, good, []string{"Mallee-Timeout", "2"}, 400, "expected a positive duration"},
		"negative timeout": {"POST", buy, good, []string{"Mallee-Timeout", "-2s"}, 400, "expected a positive duration"},
		"another origin":   {"POST", "/actors/Stall/1/Close", ``, []string{"Sec-Fetch-Site", "cross-site"}, 403, "other origins"},
		"another host":     {"POST", "/actors/Stall/1/Close", ``, []string{"Origin", "https://evil.example"}, 403, "other origins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := request(h, c.method, c.path, c.body, c.headers...)
			p := problemOf(t, w, c.status)
			if !p.RetrySafe {
				t.Error("not safe to retry, though nothing has run")
			}
			if allow := w.Header().Get("Allow"); c.status == 405 && allow != c.detail {
				t.Errorf("Allow: %q, want %q", allow, c.detail)
			} else if c.status != 405 && !strings.Contains(p.Detail, c.detail) {
				t.Errorf("detail %q, want %q", p.Detail, c.detail)
			}
		})
	}
}

// curl -d says that it sends a form.
func TestCurl(t *testing.T) {
	t.Parallel()
	w := request(newHandler(t, httpapi.Config{}), "POST", "/actors/Stall/1/Buy", `{"item":"apple","n":1}`, "Content-Type", "application/x-www-form-urlencoded")
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newHandler(t, httpapi.Config{}))
	t.Cleanup(server.Close)
	for _, path := range []string{"/actors/Stall/1/Stock", "/openapi.json", "/docs/"} {
		resp, err := http.Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || len(body) > 0 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestTrustedOrigin(t *testing.T) {
	t.Parallel()
	trust := http.NewCrossOriginProtection()
	if err := trust.AddTrustedOrigin("https://shop.example"); err != nil {
		t.Fatal(err)
	}
	h := newHandler(t, httpapi.Config{CrossOrigin: trust})
	if w := request(h, "POST", "/actors/Stall/1/Close", ``, "Origin", "https://shop.example"); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A call waits for a context in fake time, so deadlines cost nothing here.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"": 0, "2s": 2 * time.Second, "1500us": 1500 * time.Microsecond, "24h": time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			h := newHandler(t, httpapi.Config{Caller: callerFunc(func(ctx context.Context, _ mallee.ID, _ mallee.Call) error {
				if deadline, ok := ctx.Deadline(); ok != (want > 0) || ok && time.Until(deadline) != want {
					t.Errorf("%q: deadline in %v, want %v", header, time.Until(deadline), want)
				}
				if want == 0 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			})})
			w := request(h, "POST", "/actors/Stall/1/Close", ``, "Mallee-Timeout", header)
			if want == 0 {
				return
			}
			if p := problemOf(t, w, 504); p.Code != "timeout" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestClientDisconnectCancelsCall(t *testing.T) {
	t.Parallel()
	running, ended := make(chan struct{}), make(chan error, 1)
	server := httptest.NewServer(newHandler(t, httpapi.Config{Caller: callerFunc(func(ctx context.Context, _ mallee.ID, _ mallee.Call) error {
		close(running)
		<-ctx.Done()
		ended <- ctx.Err()
		return mallee.ErrCanceled
	})}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/actors/Stall/1/Buy", strings.NewReader(`{"item":"apple","n":1}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	go func() {
		<-running
		cancel()
	}()
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Error("the request was answered")
	}
	if err := <-ended; err == nil {
		t.Error("the call's context did not end")
	}
}

func TestResultsWithoutJSON(t *testing.T) {
	t.Parallel()
	w := request(newHandler(t, httpapi.Config{}), "POST", "/actors/Stall/1/Divide", `{"a":0,"b":0}`)
	p := problemOf(t, w, 500)
	if p.Code != "unknown" || p.RetrySafe || !strings.Contains(p.Detail, "Stall.Divide has run, but its results have no JSON form") {
		t.Errorf("%+v", p)
	}
}

func TestExpose(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{Expose: func(iface, method string) bool { return iface+"."+method != "Stall.Key" && method != "Buy" }})
	problemOf(t, request(h, "POST", "/actors/Stall/1/Buy", ``), 404)
	problemOf(t, request(h, "POST", "/actors/Stall/1/Stall.Key", ``), 404)
	if w := request(h, "POST", "/actors/Stall/1/Key", ``); w.Code != 200 { // Greeter's
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if document := request(h, "GET", "/openapi.json", ``).Body.String(); strings.Contains(document, "/Buy") {
		t.Error("the document has a method that is not exposed")
	}
}
