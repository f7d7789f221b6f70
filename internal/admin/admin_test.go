package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee/internal/admin"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestPages(t *testing.T) {
	t.Parallel()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "mallee_test_total", Help: "A test."})
	h := admin.Pages{Name: "pd one", Collectors: []prometheus.Collector{counter}}.Handler()
	for path, want := range map[string]string{
		"/":                              "pd one",
		"/healthz":                       "ok",
		"/readyz":                        `{"ready":true,"checks":[]}`,
		"/metrics":                       "mallee_test_total 0",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
	} {
		if w := get(t, h, path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d, without %q: %.200s", path, w.Code, want, w.Body)
		}
	}
	for _, path := range []string{"/nothing", "/debug/pprof/cmdline"} {
		if w := get(t, h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// Two processes in one have the same figures, each its own.
func TestRegistriesAreApart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "two"} {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "mallee_test_total", Help: "A test."})
		if w := get(t, admin.Pages{Name: name, Collectors: []prometheus.Collector{c}}.Handler(), "/metrics"); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestReadyTellsWhatIsNot(t *testing.T) {
	t.Parallel()
	broken := errors.New("no quorum")
	h := admin.Pages{Checks: []admin.Check{
		{Name: "leader", Run: func(context.Context) (time.Time, error) { return time.Now().Add(-time.Minute), nil }},
		{Name: "etcd", Run: func(context.Context) (time.Time, error) { return time.Time{}, broken }},
	}}.Handler()
	w := get(t, h, "/readyz")
	var answer struct {
		Ready  bool
		Checks []struct {
			Name  string
			Ready bool
			AgeMS *int64 `json:"age_ms"`
			Error string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusServiceUnavailable || answer.Ready || len(answer.Checks) != 2 {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	if c := answer.Checks[0]; c.Name != "leader" || !c.Ready || c.AgeMS == nil || *c.AgeMS < 60_000 {
		t.Errorf("%+v", c)
	}
	if c := answer.Checks[1]; c.Name != "etcd" || c.Ready || c.AgeMS != nil || c.Error != "no quorum" {
		t.Errorf("%+v", c)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	log := slog.New(slog.DiscardHandler)
	addr, err := admin.Serve(ctx, "127.0.0.1:0", admin.Pages{}.Handler(), log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Serve(ctx, addr, nil, log); err == nil {
		t.Error("an address is taken twice")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if answer.Body.Close(); err != nil || string(body) != "ok\n" {
		t.Errorf("%q, %v", body, err)
	}
	end()
	for { // until the port is free again
		again, cancel := context.WithCancel(t.Context())
		_, err := admin.Serve(again, addr, admin.Pages{}.Handler(), log)
		cancel()
		if err == nil {
			return
		}
	}
}
