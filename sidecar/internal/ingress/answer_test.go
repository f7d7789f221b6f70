package ingress_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// empty is the JSON of a shop.Kitchen that has nothing set.
const empty = `{"id":"","n32":0,"u32":0,"u64":"0","yes":false,"raw":"","n64":"0","real":0,"small":0,"colour":"NONE",` +
	`"tags":[],"lines":[],"counts":{},"snakeName":"","big":[],"mixes":{}}`

// TestAnswers has the exact bytes of answers.
func TestAnswers(t *testing.T) {
	t.Parallel()
	m := model(t)
	for _, c := range []struct{ path, reply, want string }{
		{"/first", `{}`, empty},
		{"/first", `{"id":"a\"\\\u0001<ü\n","n32":-1,"u32":4294967295,"u64":"18446744073709551615","yes":true,"raw":"AP8=","n64":"-5","real":1.5,
			"small":0.1,"colour":"RED","tags":["x","y"],"lines":[{"text":"l"},{}],"line":{},"maybe":"","right":0,"counts":{"b":2,"a":1},
			"at":"2026-01-02T03:04:05.006Z","any":{"@type":"type.googleapis.com/shop.Line","text":"t"},"free":{"k":[1,null,{"d":true}]},"boxed":"7",
			"snakeName":"s","big":["1"]}`,
			`{"id":"a\"\\\u0001<ü\n","n32":-1,"u32":4294967295,"u64":"18446744073709551615","yes":true,"raw":"AP8=","n64":"-5","real":1.5,` +
				`"small":0.1,"colour":"RED","tags":["x","y"],"lines":[{"text":"l"},{"text":""}],"line":{"text":""},"maybe":"","right":0,"counts":{"a":1,"b":2},` +
				`"at":"2026-01-02T03:04:05.006Z","any":{"@type":"type.googleapis.com/shop.Line","text":"t"},"free":{"k":[1,null,{"d":true}]},"boxed":"7",` +
				`"snakeName":"s","big":["1"],"mixes":{}}`},
		{"/first", `{"real":"NaN","small":"-Infinity","colour":7}`, strings.NewReplacer(
			`"real":0`, `"real":"NaN"`, `"small":0`, `"small":"-Infinity"`, `"NONE"`, `7`).Replace(empty)},
		{"/first", `{"real":1e300,"small":1e-7}`, strings.NewReplacer(`"real":0`, `"real":1e+300`, `"small":0`, `"small":1e-07`).Replace(empty)},
		{"/first", `{"any":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"5"}}`,
			strings.Replace(empty, `"snakeName"`, `"any":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"5"},"snakeName"`, 1)},
		{"/tags/1", `{"tags":["a","b"]}`, `["a","b"]`},
		{"/tags/1", `{}`, `[]`},
		{"/lines/1", `{"lines":[{},{"text":"x"}]}`, `[{"text":""},{"text":"x"}]`},
		{"/line/1", `{"line":{"text":"x"}}`, `{"text":"x"}`},
		{"/line/1", `{}`, `{"text":""}`},
		{"/n64/1", `{"n64":"5"}`, `"5"`},
	} {
		if c.path == "/first" {
			c.path = "/any" // the other route of the same method
		}
		url := "http://" + serve(t, ingress.Config{Model: m, Server: answers(replyOf(kitchen(t, m, c.reply)))})
		answer, text := do(t, http.DefaultClient, "GET", url+c.path, "")
		if answer.Status != http.StatusOK || text != c.want || strings.Join(answer.Header["Content-Type"], "|") != "application/json" {
			t.Errorf("%s %s: %d %v\n%s, want\n%s", c.path, c.reply, answer.Status, answer.Header, text, c.want)
		}
	}
}

// What is declared last is tried first.
func TestOrderOfRoutes(t *testing.T) {
	t.Parallel()
	calls := make(chan called, 1)
	url := "http://" + serve(t, ingress.Config{Server: recorder(calls)})
	for request, want := range map[string]string{
		"GET /first":            "Later",
		"POST /shop.Echo/Unary": "Unary", // has no rule, so a route by its name
	} {
		method, path, _ := cut(request)
		do(t, http.DefaultClient, method, url+path, "{}", "Content-Type: application/json")
		if got := <-calls; got.method != want {
			t.Errorf("%s went to %s", request, got.method)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	for _, request := range []string{
		"GET /", "GET /no", "POST /shop.Shop/Body", // has a rule, so no route by its name
		"GET /shop.Echo/Unary", "GET /body/7", "GET /query/7/8", "GET /query/7:8", "GET /QUERY/7", "GET /query",
	} {
		method, path, _ := cut(request)
		answer, text := do(t, http.DefaultClient, method, url+path, "{}", "Content-Type: application/json")
		if answer.Status != http.StatusNotFound || text != "" {
			t.Errorf("%s: %d %q", request, answer.Status, text)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server serverFunc
		path   string
		want   string
	}{
		{fails(command.Failed("über <b>")), "/any", "über <b>"},
		{fails(command.Failed("")), "/any", ""},
		{fails(command.Failed("before the first")), "/files/x", "before the first"},
		{fails(mallee.ErrUnavailable.Errorf("no node")), "/any", "no node"},
		{fails(errors.New("plain")), "/any", "plain"},
		{answers(), "/any", "the service has answered without a message"},
		{answers(replyOf([]byte{0xff})), "/any", "the reply is not a message shop.Kitchen"},
		{answers(replyOf([]byte{0xff})), "/file/x", "the reply is not a message google.api.HttpBody"},
	} {
		answer, text := do(t, http.DefaultClient, "GET", "http://"+serve(t, ingress.Config{Server: c.server})+c.path, "")
		if answer.Status != http.StatusInternalServerError || !strings.HasPrefix(text, c.want) || c.want == "" && text != "" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %q, want %q", c.path, answer.Status, text, c.want)
		}
	}
}

func TestTooLargeBody(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{MaxMessage: 100})
	answer, _ := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", `{"text":"`+strings.Repeat("x", 100)+`"}`, "Content-Type: application/json")
	if answer.Status != http.StatusRequestEntityTooLarge {
		t.Error(answer.Status)
	}
}

func TestHTTPBody(t *testing.T) {
	t.Parallel()
	page := httpBodyOf(t, "text/html", "<p>")
	metadata := command.Metadata{{Key: "Content-Type", Text: "image/png"}, {Key: "X-Of", Text: "mine"}}
	for _, c := range []struct {
		path, accept string
		replies      []*command.Reply
		contentType  string
		want         string
	}{
		{"/file/x", "", []*command.Reply{replyOf(page)}, "text/html", "<p>"},
		{"/file/x", "", []*command.Reply{replyOf(httpBodyOf(t, "", "x"))}, "", "x"},
		{"/file/x", "", []*command.Reply{replyOf(httpBodyOf(t, "a\nb", "x"))}, "", "x"},
		{"/files/x", "", []*command.Reply{replyOf(page), replyOf(page)}, "application/octet-stream", "<p><p>"},
		{"/files/x", "", []*command.Reply{{Payload: command.Payload{Value: page}, Metadata: metadata}, replyOf(page)}, "image/png", "<p><p>"},
		{"/files/x", "", nil, "application/octet-stream", ""},
		{"/files/x", "text/event-stream", []*command.Reply{replyOf(page)}, "text/event-stream",
			"data:{\"contentType\":\"text/html\",\"data\":\"PHA+\",\"extensions\":[]}\n\n"},
	} {
		url := "http://" + serve(t, ingress.Config{Server: answers(c.replies...)})
		answer, text := do(t, http.DefaultClient, "GET", url+c.path, "", "Accept: "+c.accept)
		if text != c.want || answer.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: %q %q, want %q %q", c.path, answer.Header.Get("Content-Type"), text, c.contentType, c.want)
		}
		if len(c.replies) > 0 && c.replies[0].Metadata != nil && answer.Header.Get("X-Of") != "mine" {
			t.Errorf("%s: the metadata are lost: %v", c.path, answer.Header)
		}
	}
}

func httpBodyOf(t *testing.T, contentType, data string) []byte {
	t.Helper()
	b, err := proto.Marshal(&httpbody.HttpBody{ContentType: contentType, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Streams are read line by line, each as soon as it is sent.
func TestJSONStream(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"*/*":               "application/json {\"text\":\"1\"}\n{\"text\":\"2\"}\n",
		"text/event-stream": "text/event-stream data:{\"text\":\"1\"}\n\ndata:{\"text\":\"2\"}\n\n",
		"text/html, " + "text/event-stream;q=0.5": "text/event-stream data:{\"text\":\"1\"}\n\ndata:{\"text\":\"2\"}\n\n",
	} {
		seen := make(chan struct{})
		server := serverFunc(func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
			if err := x.Send(replyOf(line("1"))); err != nil {
				return err
			}
			<-seen
			return x.Send(replyOf(line("2")))
		})
		url := "http://" + serve(t, ingress.Config{Server: server})
		header, stream := open(t, url+"/shop.Echo/Out", accept)
		body := bufio.NewReader(stream)
		first, err := body.ReadString('\n')
		close(seen)
		rest, restErr := io.ReadAll(body)
		if got := header.Get("Content-Type") + " " + first + string(rest); got != want || err != nil || restErr != nil {
			t.Errorf("%s: %q %v %v, want %q", accept, got, err, restErr, want)
		}
	}
}

func TestJSONStreamFails(t *testing.T) {
	t.Parallel()
	server := serverFunc(func(_ context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		if err := x.Send(replyOf(line("1"))); err != nil {
			return err
		}
		return command.Failed("no more")
	})
	_, body := open(t, "http://"+serve(t, ingress.Config{Server: server})+"/shop.Echo/Out", "")
	if text, err := io.ReadAll(body); err == nil {
		t.Errorf("the stream ends well: %q", text)
	}
}

// The only message of a stream of requests is the body.
func TestJSONOfClientStream(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	for method, want := range map[string]string{"In": `{"text":"x"}`, "Both": "{\"text\":\"x\"}\n"} {
		_, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/"+method, `{"text":"x"}`, "Content-Type: application/json")
		if text != want {
			t.Errorf("%s: %q", method, text)
		}
	}
}

// A client that goes amid a stream ends the call.
func TestJSONStreamCancelled(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	server := serverFunc(func(ctx context.Context, _ *spec.Method, _ command.Metadata, x command.Exchange) error {
		defer close(ended)
		if err := x.Send(replyOf(line("1"))); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	_, body := open(t, "http://"+serve(t, ingress.Config{Server: server})+"/shop.Echo/Out", "")
	_ = body.Close()
	select {
	case <-ended:
	case <-patient(t).Done():
		t.Error("the call goes on")
	}
}

// open begins to read a stream.
func open(t *testing.T, url, accept string) (http.Header, io.ReadCloser) {
	t.Helper()
	r, err := http.NewRequestWithContext(patient(t), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer.Header, answer.Body
}

func TestJSONMetadata(t *testing.T) {
	t.Parallel()
	calls := make(chan called, 1)
	url := "http://" + serve(t, ingress.Config{Server: recorder(calls)})
	do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", "{}", "Content-Type: application/json", "X-Mine: a", "X-Mine: b", "Te: trailers")
	var got []string
	for _, e := range (<-calls).md {
		if e.Key != "host" && e.Key != "user-agent" && e.Key != "accept-encoding" {
			got = append(got, e.Key+"="+e.Text)
		}
	}
	if want := "content-type=application/json x-mine=a x-mine=b grpc-accept-encoding=identity"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	for _, client := range []*http.Client{http.DefaultClient, h2c(t)} {
		if _, text := do(t, client, "GET", "http://"+serve(t, ingress.Config{})+"/nothing", ""); text != "{}" {
			t.Errorf("%q", text)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	if answer, text := do(t, http.DefaultClient, "GET", url, "", "K-Network-Probe: queue"); answer.Status != http.StatusOK || text != "queue" {
		t.Errorf("%d %q", answer.Status, text)
	}
	if answer, text := do(t, http.DefaultClient, "GET", url, "", "K-Network-Probe: other"); answer.Status != http.StatusBadRequest || text == "" {
		t.Errorf("%d %q", answer.Status, text)
	}
	if _, text := do(t, http.DefaultClient, "GET", url+"/nothing", "", "K-Network-Probe: queue"); text != "{}" {
		t.Errorf("a route comes first: %q", text)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{AllowedOrigins: []string{"https://a.example"}})
	preflight := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-grpc-web"}
	answer, _ := do(t, http.DefaultClient, "OPTIONS", url+"/shop.Echo/Unary", "", append(preflight, "Origin: https://a.example")...)
	if answer.Status != http.StatusNoContent || answer.Header.Get("Access-Control-Allow-Origin") != "https://a.example" ||
		answer.Header.Get("Access-Control-Allow-Headers") != "content-type,x-grpc-web" {
		t.Error(answer.Status, answer.Header)
	}
	answer, _ = do(t, http.DefaultClient, "OPTIONS", url+"/shop.Echo/Unary", "", append(preflight, "Origin: https://b.example")...)
	if answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(answer.Header)
	}
	answer, text := do(t, http.DefaultClient, "GET", url+"/nothing", "", "Origin: https://a.example")
	if text != "{}" || answer.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Error(text, answer.Header)
	}
	off := "http://" + serve(t, ingress.Config{})
	if answer, _ := do(t, http.DefaultClient, "GET", off+"/nothing", "", "Origin: https://a.example"); answer.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(answer.Header)
	}
}
