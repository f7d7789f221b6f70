package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
)

func TestEcho(t *testing.T) {
	t.Parallel()
	c := malleetest.Start(t, 1, EchoerType(newEchoer))
	w := httptest.NewRecorder()
	handler(c.Node(0)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/echo/h%C3%A9%2Fllo", nil))
	if w.Code != http.StatusOK || w.Body.String() != "hé/llo" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// A Caller may be anything: here one whose cluster is away.
type away struct{}

func (away) Invoke(context.Context, mallee.ID, mallee.Call) error {
	return mallee.ErrUnavailable.Errorf("the cluster is away")
}

func TestFailure(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	handler(away{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/echo/x", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %q", w.Code, fmt.Sprint(w.Body))
	}
}
