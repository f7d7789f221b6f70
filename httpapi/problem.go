package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/mallee-io/mallee"
)

// problem is the answer to a call that failed (RFC 9457).
type problem struct {
	Type      string      `json:"type" doc:"A URI of the kind of problem: urn:mallee:error: and the code"`
	Title     string      `json:"title" doc:"The HTTP status in words"`
	Status    int         `json:"status" doc:"The HTTP status"`
	Detail    string      `json:"detail" doc:"What happened to this call"`
	Code      mallee.Code `json:"code" doc:"The code of the error; codes of applications have a dot"`
	Actor     string      `json:"actor,omitempty" doc:"The actor that was called, as type/key"`
	RetrySafe bool        `json:"retry_safe" doc:"True when the method has certainly not run"`
}

// statusCanceled answers a caller that has gone; nobody reads it. 499 is what
// proxies log for that.
const statusCanceled = 499

// statuses of the framework's codes. Other codes are the application's: 422.
var statuses = map[mallee.Code]int{
	mallee.CodeInvalid:     http.StatusBadRequest,
	mallee.CodeNotFound:    http.StatusNotFound,
	mallee.CodeOverloaded:  http.StatusTooManyRequests,
	mallee.CodeTimeout:     http.StatusGatewayTimeout,
	mallee.CodeCanceled:    statusCanceled,
	mallee.CodeUnavailable: http.StatusServiceUnavailable,
	mallee.CodeCycle:       http.StatusLoopDetected,
	mallee.CodeActivation:  http.StatusServiceUnavailable,
	mallee.CodePanic:       http.StatusInternalServerError,
	mallee.CodeConflict:    http.StatusConflict,
	mallee.CodeFenced:      http.StatusServiceUnavailable,
	mallee.CodeUnknown:     http.StatusInternalServerError,
}

func statusOf(code mallee.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	if strings.Contains(string(code), ".") {
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

func writeProblem(w http.ResponseWriter, err error, actor string) {
	var e *mallee.Error
	if !errors.As(err, &e) {
		e = mallee.AsError(err)
	}
	writeProblemStatus(w, statusOf(e.Code), problem{Code: e.Code, Detail: e.Message, Actor: actor, RetrySafe: e.NotRun})
}

func writeProblemStatus(w http.ResponseWriter, status int, p problem) {
	p.Status, p.Type = status, "urn:mallee:error:"+string(p.Code)
	if p.Title = http.StatusText(status); p.Title == "" {
		p.Title = "Client Closed Request"
	}
	body, err := json.Marshal(p)
	if err != nil { // strings, a number and a bool: there is nothing that could fail
		panic(err)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone reads nothing
}

// writeJSON encodes before it answers, so that results which JSON cannot carry
// are an error and not half an answer.
func writeJSON(w http.ResponseWriter, results any, actor string) {
	body, err := json.Marshal(results)
	if err != nil {
		writeProblem(w, mallee.NewError(mallee.CodeUnknown, "").Errorf("the method ran, but its results cannot be JSON: %v", err), actor)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n'))
}
