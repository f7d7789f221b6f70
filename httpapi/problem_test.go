package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi"
)

func TestStatusOfCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   mallee.Code
		retry  bool
	}{
		{mallee.ErrInvalid, 400, "invalid", false},
		{mallee.ErrNotFound, 404, "not_found", false},
		{mallee.ErrOverloaded.BeforeRun(), 429, "overloaded", true},
		{mallee.ErrTimeout, 504, "timeout", false},
		{mallee.ErrCanceled, 499, "canceled", false},
		{mallee.ErrUnavailable, 503, "unavailable", false},
		{mallee.ErrUnavailable.BeforeRun(), 503, "unavailable", true},
		{mallee.ErrCycle.BeforeRun(), 508, "cycle", true},
		{mallee.ErrActivation.BeforeRun(), 503, "activation", true},
		{mallee.ErrPanic, 500, "panic", false},
		{mallee.ErrConflict, 409, "conflict", false},
		{mallee.ErrFenced, 503, "fenced", false},
		{mallee.NewError(mallee.CodeUnknown, "unknown"), 500, "unknown", false},
		{mallee.NewError("game.bad_name", "bad name"), 422, "game.bad_name", false},
		{mallee.NewError("new_code", "of a later framework"), 500, "new_code", false},
		{errors.New("no code"), 500, "unknown", false},
		{fmt.Errorf("wrapped: %w", mallee.ErrOverloaded.BeforeRun()), 429, "overloaded", true},
		{context.DeadlineExceeded, 504, "timeout", false},
		{context.Canceled, 499, "canceled", false},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, httpapi.Config{Caller: callerFunc(func(context.Context, mallee.ID, mallee.Call) error { return c.err })})
			w := request(h, "POST", "/actors/Stall/a%2Fb/Close", ``)
			p := problemOf(t, w, c.status)
			if p.Code != string(c.code) || p.RetrySafe != c.retry || p.Actor != "Stall/a/b" {
				t.Errorf("%+v, want %+v", p, c)
			}
			wantRetry := ""
			if c.status == 429 || c.status == 503 {
				wantRetry = "1"
			}
			if got := w.Header().Get("Retry-After"); got != wantRetry {
				t.Errorf("Retry-After: %q, want %q", got, wantRetry)
			}
		})
	}
}
