package ingress_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
)

const ended = "grpc-status: 0\r\n"

func TestGRPCWeb(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	one, two := envelope(0, line("one")), envelope(0, line("two"))
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		path, contentType, accept, body string
		wantType, want                  string
	}{
		"binary":         {"Unary", "application/grpc-web", "", one, "application/grpc-web", one + envelope(0x80, []byte(ended))},
		"with a suffix":  {"Unary", "application/grpc-web+proto", "*/*", one, "application/grpc-web+proto", one + envelope(0x80, []byte(ended))},
		"parameters":     {"Unary", "application/grpc-web+proto; charset=utf-8", "", one, "application/grpc-web+proto", one + envelope(0x80, []byte(ended))},
		"stream":         {"Both", "application/grpc-web", "", one + two, "application/grpc-web", one + two + envelope(0x80, []byte(ended))},
		"text":           {"Unary", "application/grpc-web-text", "", encode(one), "application/grpc-web-text", one + envelope(0x80, []byte(ended))},
		"text in pieces": {"Both", "application/grpc-web-text+proto", "application/grpc-web-text", encode(one) + encode(two[:3]) + encode(two[3:]), "application/grpc-web-text+proto", one + two + envelope(0x80, []byte(ended))},
		"text in only":   {"Unary", "application/grpc-web-text", "application/grpc-web+proto", encode(one), "application/grpc-web", one + envelope(0x80, []byte(ended))},
		"text out only":  {"Unary", "application/grpc-web", "application/grpc-web-text", one, "application/grpc-web-text", one + envelope(0x80, []byte(ended))},
		"not base64": {"Unary", "application/grpc-web-text", "", "****", "application/grpc-web-text",
			envelope(0x80, []byte("grpc-status: 13\r\ngrpc-message: the request is not base64\r\n"))},
		"half a quantum": {"Unary", "application/grpc-web-text", "", "AAA", "application/grpc-web-text",
			envelope(0x80, []byte("grpc-status: 13\r\ngrpc-message: the request ends within a message\r\n"))},
	} {
		for _, client := range []*http.Client{http.DefaultClient, h2c(t)} {
			answer, text := do(t, client, "POST", url+"/shop.Echo/"+c.path, c.body, "Content-Type: "+c.contentType, "Accept: "+c.accept)
			if strings.Contains(c.wantType, "text") {
				text = decodePieces(t, text)
			}
			if answer.Header.Get("Content-Type") != c.wantType || text != c.want {
				t.Errorf("%s: %s %q, want %s %q", name, answer.Header.Get("Content-Type"), text, c.wantType, c.want)
			}
		}
	}
}

// decodePieces decodes pieces of base64, each with its padding.
func decodePieces(t *testing.T, text string) string {
	t.Helper()
	var all []byte
	for ; len(text) >= 4; text = text[4:] {
		b, err := base64.StdEncoding.DecodeString(text[:4])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all) + text
}

func TestGRPCWebFailure(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{Server: fails(command.Failed("gone: 5 %\n"))})
	_, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", envelope(0, nil), "Content-Type: application/grpc-web")
	if want := envelope(0x80, []byte("grpc-status: 2\r\ngrpc-message: gone: 5 %25%0A\r\n")); text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestGRPCWebCompressed(t *testing.T) {
	t.Parallel()
	url := "http://" + serve(t, ingress.Config{})
	long := []byte(strings.Repeat("x", 5000))
	answer, text := do(t, http.DefaultClient, "POST", url+"/shop.Echo/Unary", envelope(1, compressed(t, long)),
		"Content-Type: application/grpc-web", "Grpc-Encoding: gzip", "Grpc-Accept-Encoding: identity, gzip")
	if answer.Header.Get("Grpc-Encoding") != "gzip" || text[0] != 1 || len(text) > 1000 {
		t.Errorf("%v, %d bytes", answer.Header, len(text))
	}
}
