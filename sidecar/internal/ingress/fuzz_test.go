package ingress_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
)

// post gives a request to a handler, without a connection.
func post(h http.Handler, major int, path, body string, headers ...string) (w *httptest.ResponseRecorder) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.ProtoMajor = major
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w = httptest.NewRecorder()
	defer func() {
		if r := recover(); r != nil && r != http.ErrAbortHandler {
			panic(r)
		}
	}()
	h.ServeHTTP(w, r)
	return w
}

// FuzzGRPC has no outcome but a status, and every message that is answered is one
// that was sent.
func FuzzGRPC(f *testing.F) {
	h := newHandler(f, ingress.Config{MaxMessage: 1 << 10})
	f.Add([]byte(envelope(0, line("one"))+envelope(0, nil)), "", "1S")
	f.Add([]byte(envelope(1, compressed(f, []byte("one")))), "gzip", "")
	f.Add([]byte(envelope(1, compressed(f, make([]byte, 1<<20)))), "gzip", "")
	f.Add([]byte{0, 255, 255, 255, 255, 1}, "identity", "99999999H")
	f.Fuzz(func(t *testing.T, body []byte, encoding, timeout string) {
		w := post(h, 2, "/shop.Echo/Both", string(body), "Content-Type: application/grpc", "Grpc-Encoding: "+encoding, "Grpc-Timeout: "+timeout)
		if w.Header().Get("Grpc-Status") == "" && w.Header().Get(http.TrailerPrefix+"Grpc-Status") == "" {
			t.Errorf("no status: %v", w.Header())
		}
		if out := w.Body.Bytes(); encoding != "gzip" && !bytes.HasPrefix(body, out) {
			t.Errorf("%x is answered with %x", body, out)
		}
	})
}

// FuzzGRPCWebText sends bytes as one piece of base64 and as two, and the text of
// the bytes themselves.
func FuzzGRPCWebText(f *testing.F) {
	h := newHandler(f, ingress.Config{MaxMessage: 1 << 10})
	f.Add([]byte(envelope(0, line("one"))), 3)
	f.Add([]byte("AAA="), 4)
	f.Add([]byte("A=="), 0)
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		encode := base64.StdEncoding.EncodeToString
		send := func(text string) string {
			return post(h, 1, "/shop.Echo/Both", text, "Content-Type: application/grpc-web-text", "Accept: application/grpc-web").Body.String()
		}
		cut = min(max(cut, 0), len(body))
		whole, pieces := send(encode(body)), send(encode(body[:cut])+encode(body[cut:]))
		binary := post(h, 1, "/shop.Echo/Both", string(body), "Content-Type: application/grpc-web").Body.String()
		if whole != binary || pieces != binary {
			t.Errorf("%x:\nbinary %q\nwhole  %q\npieces %q", body, binary, whole, pieces)
		}
		if got := send(string(body)); !strings.Contains(got, "grpc-status: ") {
			t.Errorf("%q: no status: %q", body, got)
		}
	})
}

// FuzzJSON reads what comes: it is a message, and its JSON is read as the same
// again, or it is malformed.
func FuzzJSON(f *testing.F) {
	h := newHandler(f, ingress.Config{MaxMessage: 1 << 12})
	f.Add("/body/7", `{"n32":1,"any":{"@type":"type.googleapis.com/shop.Line","text":"t"}}`)
	f.Add("/body/%2F", `{"real":"NaN","at":"2026-01-02T03:04:05.006Z","free":{"a":[null]}}`)
	f.Add("/query/7?n32=1&line.text=%20&tags=a&tags=b", ``)
	f.Add("/field/7?small=1e9", `{"text":"x"}`)
	f.Add("/deep/a/b/b/end?raw=AA", ``)
	f.Fuzz(func(t *testing.T, path, body string) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
			r, err := http.NewRequest(method, "http://host"+path, strings.NewReader(body))
			if err != nil || r.Host != "host" {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			switch w.Code {
			case http.StatusOK:
				if r.URL.Path != "/nothing" && json.Valid(w.Body.Bytes()) {
					stable(t, h, w.Body.String())
				}
			case http.StatusNotFound, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusInternalServerError:
			default:
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	})
}

// FuzzPrint prints what a user function may answer with.
func FuzzPrint(f *testing.F) {
	m := model(f)
	f.Add(kitchen(f, m, `{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{}},"counts":{"":1},"real":1e-9,"lines":[{}]}`))
	f.Add([]byte{0x9a, 1, 0})
	echo := newHandler(f, ingress.Config{Model: m})
	f.Fuzz(func(t *testing.T, value []byte) {
		reply := &command.Reply{Payload: command.Payload{Value: value}}
		w := post(newHandler(t, ingress.Config{Model: m, Server: answers(reply)}), 1, "/shop.Echo/Sink", "{}", "Content-Type: application/json")
		if w.Code == http.StatusOK {
			stable(t, echo, w.Body.String())
		}
	})
}

// stable tells whether the JSON of a shop.Kitchen that was answered is read as the
// message that it was printed of.
func stable(t *testing.T, h *ingress.Handler, text string) {
	t.Helper()
	if !strings.HasPrefix(text, `{"id":`) {
		return // of a field only
	}
	w := post(h, 1, "/shop.Echo/Sink", text, "Content-Type: application/json")
	if w.Code == http.StatusRequestEntityTooLarge {
		return
	}
	if w.Body.String() != text {
		t.Errorf("%s\nis read as %d\n%s", text, w.Code, w.Body.String())
	}
}
