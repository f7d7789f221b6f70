package koalahttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mallee-io/mallee"
)

// refusal is a final error, and what the client is told.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// asRefusal is nil for errors that may pass.
func asRefusal(err error) *refusal {
	var r *refusal
	if !errors.As(err, &r) && errors.Is(err, mallee.ErrInvalid) {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	return r
}

func final(err error) bool { return asRefusal(err) != nil }

// patiently calls until there is no error, or a final one, or ctx ends.
func patiently[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 400*time.Millisecond) {
		answer, err := call(ctx)
		if err == nil || final(err) {
			return answer, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return answer, err
		}
	}
}

// writeError answers what Koala does: a JSON string. What is not the client's
// fault is told to the log as well.
func (a *api) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if refused := asRefusal(err); refused != nil {
		writeJSON(w, refused.status, refused.text)
		return
	}
	a.log.WarnContext(r.Context(), "koala request failed", "path", r.URL.Path, "error", err)
	writeJSON(w, http.StatusInternalServerError, err.Error())
}

// writeJSON writes one of the answers of this package, compact as Koala does.
func writeJSON(w http.ResponseWriter, status int, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("koalahttp: %T has no JSON form: %v", answer, err))
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone reads nothing
}
