package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Check is one thing that a process needs to be ready.
type Check struct {
	Name string
	// Run says when what it looks at last made progress, or why the process is
	// not ready. It must return soon after ctx ends.
	Run func(ctx context.Context) (progress time.Time, err error)
}

// readyTimeout bounds all checks together: who asks does not wait long.
const readyTimeout = 2 * time.Second

// result is how a check is answered.
type result struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	AgeMS *int64 `json:"age_ms,omitempty"` // of the progress, in milliseconds
	Error string `json:"error,omitempty"`
}

// ready answers 200 when all checks pass, and 503 otherwise.
func (p Pages) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := struct {
		Ready  bool     `json:"ready"`
		Checks []result `json:"checks"`
	}{true, []result{}}
	for _, c := range p.Checks {
		one := c.result(ctx)
		answer.Ready = answer.Ready && one.Ready
		answer.Checks = append(answer.Checks, one)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // who has gone does not need it
}

func (c Check) result(ctx context.Context) result {
	progress, err := c.Run(ctx)
	one := result{Name: c.Name, Ready: err == nil}
	if !progress.IsZero() {
		age := time.Since(progress).Milliseconds()
		one.AgeMS = &age
	}
	if err != nil {
		one.Error = err.Error()
	}
	return one
}
