package koalahttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// fixed is a Cluster that answers always the same, or err, and remembers what
// it was asked last.
type fixed struct {
	err      error
	id       int64
	lease    int64
	hosts    []koalahttp.Host
	events   []koalahttp.Event
	position koalahttp.Position

	mu    sync.Mutex
	asked string
}

func (f *fixed) ask(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = fmt.Sprintf(format, args...)
	return f.err
}

func (f *fixed) NextID(context.Context) (int64, error) { return f.id, f.ask("next") }

func (f *fixed) Sequence(_ context.Context, key string, step int64) (int64, error) {
	return f.id, f.ask("sequence %q %d", key, step)
}

func (f *fixed) Register(_ context.Context, h koalahttp.Host, ttl time.Duration) (int64, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return 0, err
	}
	return f.lease, f.ask("register %v %s", ttl, text)
}

func (f *fixed) KeepAlive(_ context.Context, id, lease, load int64) error {
	return f.ask("keep %d %d %d", id, lease, load)
}

func (f *fixed) Delete(_ context.Context, id int64, addr string) error {
	return f.ask("delete %d %s", id, addr)
}

func (f *fixed) Hosts(context.Context) ([]koalahttp.Host, []koalahttp.Event, error) {
	return f.hosts, f.events, f.err
}

func (f *fixed) Position(_ context.Context, actorType, actorID string) (koalahttp.Position, error) {
	return f.position, f.ask("position %q %q", actorType, actorID)
}

func (f *fixed) Leader(context.Context) (here bool, url string, err error) { return true, "", nil }

func newHandler(cluster koalahttp.Cluster) http.Handler {
	return koalahttp.New(cluster, koalahttp.Config{Log: slog.New(slog.DiscardHandler)})
}

// request asks a handler without a connection.
func request(h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

// post asks a handler and wants 200.
func post[T any](t *testing.T, h http.Handler, route, body string) (answer T) {
	t.Helper()
	w := request(h, http.MethodPost, koalahttp.Prefix+route, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", route, body, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s %s: %v in %s", route, body, err, w.Body)
	}
	return answer
}

// wantRefusal wants 400 and a JSON string.
func wantRefusal(t *testing.T, h http.Handler, route, body, text string) {
	t.Helper()
	w := request(h, http.MethodPost, koalahttp.Prefix+route, body)
	if want := fmt.Sprintf("%q", text); w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("%s %s: %d %s, want 400 %s", route, body, w.Code, w.Body, want)
	}
}

func readAll(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
