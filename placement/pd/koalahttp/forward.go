package koalahttp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// forwardedHeader marks what one process of the placement driver sends to
// another: it is not sent on, so that requests never go in circles.
const forwardedHeader = "Mallee-Forwarded"

// errMisdirected tells who has forwarded that the leader is somewhere else.
func errMisdirected() error {
	return &refusal{http.StatusMisdirectedRequest, "not the leader"}
}

// forward asks the leader for a position. Nothing but the leader's own answer
// or refusal is final: it may have died, or lead no more.
func (a *api) forward(ctx context.Context, leader string, request findRequest) (findAnswer, error) {
	status, body, err := a.post(ctx, leader+findPositionPath, request)
	if err != nil {
		return findAnswer{}, fmt.Errorf("forward to leader %s: %w", leader, err)
	}
	var answer findAnswer
	var refused string
	switch {
	case status == http.StatusOK && json.Unmarshal(body, &answer) == nil:
		return answer, nil
	case status == http.StatusBadRequest && json.Unmarshal(body, &refused) == nil:
		return findAnswer{}, refuse("%s", refused)
	default:
		return findAnswer{}, fmt.Errorf("forward to leader %s: status %d: %.200s", leader, status, body)
	}
}

func (a *api) post(ctx context.Context, url string, request any) (status int, answer []byte, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return 0, nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(forwardedHeader, "1")
	response, err := a.transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxBodyBytes))
	return response.StatusCode, answer, err
}
