package ingress_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// called is a call that a server has got.
type called struct {
	method string
	value  []byte
	md     command.Metadata
}

// recorder answers with the message that it gets and remembers the call.
func recorder(calls chan<- called) serverFunc {
	return func(_ context.Context, m *spec.Method, md command.Metadata, x command.Exchange) error {
		value, err := x.Recv()
		if err != nil {
			return err
		}
		calls <- called{m.Name, value, md}
		if m.Name != "Body" {
			return x.Send(replyOf(nil))
		}
		return x.Send(replyOf(value))
	}
}

// TestRequests has what requests become, written as JSON of the message; none: it
// is malformed.
func TestRequests(t *testing.T) {
	t.Parallel()
	m := model(t)
	calls := make(chan called, 1)
	url := "http://" + serve(t, ingress.Config{Model: m, Server: recorder(calls)})
	for _, c := range []struct {
		request, contentType, body string
		want                       string
	}{
		// the body is the message
		{"POST /body/7", "application/json", `{"n32":1}`, `{"id":"7","n32":1}`},
		{"POST /body/7", "application/json; charset=utf-8", `{}`, `{"id":"7"}`},
		{"POST /body/7?n32=9", "application/json", `{"n32":1}`, `{"id":"7","n32":1}`}, // no query
		{"POST /body/7", "application/json", `{"id":"8"}`, `{"id":"7"}`},              // the path overrides
		{"POST /body/7", "application/json", `{"snake_name":"a"}`, `{"id":"7","snakeName":"a"}`},
		{"POST /body/7", "application/json", `{"snakeName":"a"}`, `{"id":"7","snakeName":"a"}`},
		{"POST /body/7", "application/json", `{"n64":"5","u64":6}`, `{"id":"7","n64":"5","u64":"6"}`},
		{"PATCH /patch/7", "application/json", `{"n32":1}`, `{"id":"7","n32":1}`},
		{"POST /body/7", "application/json", ``, ``},
		{"POST /body/7", "application/json", `null`, ``},
		{"POST /body/7", "application/json", `[]`, ``},
		{"POST /body/7", "application/json", `{"other":1}`, ``},
		{"POST /body/7", "application/json", `{"n32":1} x`, ``},
		{"POST /body/7", "application/json", `{"n32":"x"}`, ``},
		{"POST /body/7", "application/json", `{"n32":1,"n32":1}`, ``},
		{"POST /body/7", "text/plain", `{}`, ``},
		{"POST /body/7", "", `{}`, ``},

		// the query is the message
		{"GET /query/7", "", ``, `{"id":"7"}`},
		{"GET /query/7?n32=-5&u64=18446744073709551615&yes=TRUE", "", ``, `{"id":"7","n32":-5,"u64":"18446744073709551615","yes":true}`},
		{"GET /query/7?tags=b&tags=a", "", ``, `{"id":"7","tags":["b","a"]}`},
		{"GET /query/7?big=1&big=-2", "", ``, `{"id":"7","big":["1","-2"]}`},
		{"GET /query/7?line.text=x", "", ``, `{"id":"7","line":{"text":"x"}}`},
		{"GET /query/7?id=8", "", ``, `{"id":"7"}`}, // the path overrides
		{"GET /query/7?raw=AP8=", "", ``, `{"id":"7","raw":"AP8="}`},
		{"GET /query/7?raw=AP8", "", ``, `{"id":"7","raw":"AP8="}`},
		{"GET /query/7?real=1.5e3&small=-Infinity", "", ``, `{"id":"7","real":1500,"small":"-Infinity"}`},
		{"GET /query/7?colour=RED", "", ``, `{"id":"7","colour":"RED"}`},
		{"GET /query/7?u32=-1", "", ``, `{"id":"7","u32":4294967295}`}, // as Java has unsigned numbers
		{"GET /query/7?maybe=", "", ``, `{"id":"7","maybe":""}`},
		{"GET /query/7?snake_name=a+b%21", "", ``, `{"id":"7","snakeName":"a b!"}`},
		{"GET /query/7?n32=1", "application/json", `not json`, `{"id":"7","n32":1}`}, // the body is dropped
		{"GET /query/7?n32=1&n32=2", "", ``, ``},
		{"GET /query/7?n32=x", "", ``, ``},
		{"GET /query/7?n32=", "", ``, ``},
		{"GET /query/7?n32=2147483648", "", ``, ``},
		{"GET /query/7?yes=1", "", ``, ``},
		{"GET /query/7?real=0x10", "", ``, ``},
		{"GET /query/7?real=inf", "", ``, ``},
		{"GET /query/7?raw=*", "", ``, ``},
		{"GET /query/7?colour=BLUE", "", ``, ``},
		{"GET /query/7?other=1", "", ``, ``},
		{"GET /query/7?snakeName=1", "", ``, ``},
		{"GET /query/7?line=1", "", ``, ``},
		{"GET /query/7?line.other=1", "", ``, ``},
		{"GET /query/7?lines.text=1", "", ``, ``},
		{"GET /query/7?id.text=1", "", ``, ``},
		{"GET /query/7?counts=1", "", ``, ``},
		{"GET /query/7?n32=%zz", "", ``, ``},
		{"GET /query/7?id=%ff", "", ``, ``},

		// the body is a field
		{"PUT /field/7?n32=1", "application/json", `{"text":"x"}`, `{"id":"7","n32":1,"line":{"text":"x"}}`},
		{"PUT /field/7", "application/json", `{}`, `{"id":"7","line":{}}`},
		{"PUT /field/7", "application/json", `{"line":{}}`, ``},
		{"PUT /field/7", "application/json", ``, ``},
		{"PUT /field/7", "", `{}`, ``},

		// paths
		{"GET /query/", "", ``, `{}`},
		{"GET /query/a%2Fb+c%20d", "", ``, `{"id":"a/b c d"}`},
		{"GET /query/%C3%BC", "", ``, `{"id":"ü"}`},
		{"GET /deep/a/x/b/end", "", ``, `{"id":"a/x/b"}`},
		{"GET /rest/a/b/c", "", ``, `{"id":"a/b/c"}`},
		{"GET /verb/7:do", "", ``, `{"id":"7"}`},
		{"GET /u32/12", "", ``, `{"u32":12}`},
		{"GET /u32/", "", ``, ``},
		{"GET /u32/x", "", ``, ``},
		{"GET /bool/False", "", ``, `{}`},
		{"GET /bool/no", "", ``, ``},
		{"GET /any", "", ``, `{}`},
		{"OPTIONS /any", "", ``, `{}`},
		{"DELETE /gone/7", "", ``, `{"id":"7"}`},
	} {
		method, path, _ := cut(c.request)
		var headers []string
		if c.contentType != "" {
			headers = append(headers, "Content-Type: "+c.contentType)
		}
		answer, text := do(t, http.DefaultClient, method, url+path, c.body, headers...)
		if c.want == "" {
			if answer.Status != http.StatusBadRequest || text != "Bad Request" {
				t.Errorf("%s %s: %d %q, want 400", c.request, c.body, answer.Status, text)
			}
			continue
		}
		if answer.Status != http.StatusOK {
			t.Errorf("%s %s: %d %q", c.request, c.body, answer.Status, text)
			continue
		}
		if got := <-calls; string(got.value) != string(kitchen(t, m, c.want)) {
			t.Errorf("%s %s: %x, want %s", c.request, c.body, got.value, c.want)
		}
	}
}

// The bytes of a request are those of other languages' generated code: fields by
// number, where Go's own order has the fields of a oneof last.
func TestOrderOfFields(t *testing.T) {
	t.Parallel()
	calls := make(chan called, 1)
	url := "http://" + serve(t, ingress.Config{Server: recorder(calls)})
	body := `{"mixes":{"b":{"last":"y","first":"x"},"a":{}},"mixed":{"last":"z","inner":{"last":"y","first":"x"}},"left":"l","n64":"1","tags":["t","s"],"id":"i"}`
	do(t, http.DefaultClient, "POST", url+"/shop.Echo/Sink", body, "Content-Type: application/json")
	const inner = "\x0a\x01x\x1a\x01y"
	want := "\x0a\x01i" + "\x38\x01" + "\x5a\x01t" + "\x5a\x01s" + "\x7a\x01l" +
		"\xc2\x01\x0b" + "\x12\x06" + inner + "\x1a\x01z" +
		"\xca\x01\x05" + "\x0a\x01a\x12\x00" + "\xca\x01\x0b" + "\x0a\x01b\x12\x06" + inner
	if got := <-calls; string(got.value) != want {
		t.Errorf("%q, want\n%q", got.value, want)
	}
}

func cut(request string) (method, path string, ok bool) {
	for i := range request {
		if request[i] == ' ' {
			return request[:i], request[i+1:], true
		}
	}
	return "", "", false
}
