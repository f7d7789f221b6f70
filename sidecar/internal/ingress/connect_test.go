package ingress_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
)

const version = "Connect-Protocol-Version: 1"

func TestConnectUnary(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{MaxMessage: 10000})
	long := strings.Repeat("x", 9000)
	for name, c := range map[string]struct {
		headers []string
		body    string
		status  int
		want    string
	}{
		"proto":           {[]string{"Content-Type: application/proto"}, string(line("one")), 200, string(line("one"))},
		"JSON":            {[]string{"Content-Type: application/json", version}, `{"text":"one","unknown":1}`, 200, `{"text":"one"}`},
		"empty":           {[]string{"Content-Type: application/proto"}, "", 200, ""},
		"compressed":      {[]string{"Content-Type: application/proto", "Content-Encoding: gzip"}, string(compressed(t, []byte(long))), 200, long},
		"bomb":            {[]string{"Content-Type: application/proto", "Content-Encoding: gzip"}, string(compressed(t, make([]byte, 1<<20))), 429, `{"code":"resource_exhausted","message":"a message has more than 10000 bytes"}`},
		"too large":       {[]string{"Content-Type: application/proto"}, long + long, 429, `{"code":"resource_exhausted","message":"a message has more than 10000 bytes"}`},
		"unknown coding":  {[]string{"Content-Type: application/proto", "Content-Encoding: br"}, "", 501, `{"code":"unimplemented",`},
		"malformed JSON":  {[]string{"Content-Type: application/json", version}, `{`, 400, `{"code":"invalid_argument",`},
		"malformed time":  {[]string{"Content-Type: application/proto", "Connect-Timeout-Ms: -1"}, ``, 400, `{"code":"invalid_argument",`},
		"not of Connect":  {[]string{"Content-Type: application/json"}, `{"unknown":1}`, 400, `Bad Request`},
		"version of more": {[]string{"Content-Type: application/json; charset=utf-8", version, "Connect-Timeout-Ms: 10000"}, `{}`, 200, `{"text":""}`},
	} {
		answer, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", c.body, c.headers...)
		if answer.Status != c.status || !strings.HasPrefix(text, c.want) || c.status == http.StatusOK && text != c.want {
			t.Errorf("%s: %d %q, want %d %q", name, answer.Status, text, c.status, c.want)
		}
	}
	if answer, _ := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Out", "", "Content-Type: application/proto"); answer.Status != http.StatusUnsupportedMediaType {
		t.Errorf("a stream as a unary call: %d", answer.Status)
	}
}

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{command.Failed(`no "such" item`), 500, `{"code":"unknown","message":"no \"such\" item"}`},
		{mallee.ErrUnavailable.Errorf("no node"), 503, `{"code":"unavailable","message":"no node"}`},
		{status.Error(codes.Code(99), "odd"), 500, `{"code":"unknown","message":"odd"}`},
	} {
		url := "http://" + serve(t, ingress.Config{Server: fails(c.err)})
		answer, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", "", "Content-Type: application/proto")
		if answer.Status != c.status || text != c.want || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: %d %s", c.err, answer.Status, text)
		}
		_, text = do(t, http.DefaultClient, "POST", url+"/shop.Echo/Both", "", "Content-Type: application/connect+proto")
		if want := envelope(2, []byte(`{"error":`+c.want+`}`)); text != want {
			t.Errorf("%v: %q, want %q", c.err, text, want)
		}
	}
}

func TestConnectStream(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	end := envelope(2, []byte("{}"))
	for name, c := range map[string]struct{ path, contentType, body, want string }{
		"proto": {"Both", "application/connect+proto", envelope(0, line("1")) + envelope(0, line("2")), envelope(0, line("1")) + envelope(0, line("2")) + end},
		"JSON":  {"Both", "application/connect+json", envelope(0, []byte(`{"text":"1"}`)), envelope(0, []byte(`{"text":"1"}`)) + end},
		"out":   {"Out", "application/connect+proto", envelope(0, line("1")), envelope(0, line("1")) + end},
		"in":    {"In", "application/connect+proto", envelope(0, line("1")) + envelope(0, line("2")), envelope(0, line("2")) + end},
	} {
		answer, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/"+c.path, c.body, "Content-Type: "+c.contentType)
		if answer.Status != http.StatusOK || answer.Header.Get("Content-Type") != c.contentType || text != c.want {
			t.Errorf("%s: %d %q, want %q", name, answer.Status, text, c.want)
		}
	}
	if answer, _ := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", "", "Content-Type: application/connect+proto"); answer.Status != http.StatusUnsupportedMediaType {
		t.Errorf("a unary call as a stream: %d", answer.Status)
	}
}
