package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/httpapi/internal/market"
)

// stalls is a Caller that runs calls on stalls, without a node.
type stalls struct {
	mu     sync.Mutex
	active map[mallee.ID]*market.Seller
}

func (s *stalls) stall(id mallee.ID) *market.Seller {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active == nil {
		s.active = make(map[mallee.ID]*market.Seller)
	}
	if s.active[id] == nil {
		s.active[id] = market.NewStall(id.Key)
	}
	return s.active[id]
}

func (s *stalls) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	if err := id.Validate(); err != nil {
		return err
	}
	if err := call.Run(ctx, s.stall(id)); err != nil {
		return mallee.AsError(err)
	}
	return nil
}

// callerFunc is a Caller of one function.
type callerFunc func(ctx context.Context, id mallee.ID, call mallee.Call) error

func (f callerFunc) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	return f(ctx, id, call)
}

func stallType() mallee.Type {
	return mallee.NewType(market.StallInterface(), nil, mallee.Serves(market.GreeterInterface()))
}

func newHandler(t testing.TB, config httpapi.Config) *httpapi.Handler {
	t.Helper()
	if config.Caller == nil {
		config.Caller = &stalls{}
	}
	if config.Types == nil {
		config.Types = []mallee.Type{stallType()}
	}
	h, err := httpapi.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// request sends a body as JSON, unless headers say otherwise.
func request(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type problem struct {
	Type, Title, Detail, Code, Actor string
	Status                           int
	RetrySafe                        bool `json:"retry_safe"`
	Errors                           []struct{ Path, Message string }
}

// problemOf checks that an answer is a problem document with the status.
func problemOf(t *testing.T, w *httptest.ResponseRecorder, status int) problem {
	t.Helper()
	var p problem
	if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("status %d, %s, want %d: %s", w.Code, w.Header().Get("Content-Type"), status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != status || p.Type != "urn:mallee:error:"+p.Code || p.Title == "" || p.Detail == "" {
		t.Errorf("problem %+v", p)
	}
	return p
}
