package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/jsonargs"
)

// problem is the answer to a call that failed (RFC 9457).
type problem struct {
	Type      string           `json:"type" doc:"A URI of the kind of problem: urn:mallee:error: and the code"`
	Title     string           `json:"title" doc:"The HTTP status in words"`
	Status    int              `json:"status" doc:"The HTTP status"`
	Detail    string           `json:"detail" doc:"What happened to this call"`
	Code      mallee.Code      `json:"code" doc:"The code of the error; codes of applications have a dot"`
	RetrySafe bool             `json:"retry_safe" doc:"True when the method has certainly not begun to run, so that repeating the call cannot do its work twice"`
	Actor     string           `json:"actor,omitempty" doc:"The actor that was called, as type/key"`
	Errors    []jsonargs.Wrong `json:"errors,omitempty" doc:"What is wrong in the body"`
}

// statusClientClosed answers a client that has gone; nobody reads it, but it is
// what access logs call that.
const statusClientClosed = 499

// statuses of the framework's codes. Codes with a dot are the application's:
// the request was fine, the actor would not do it.
var statuses = map[mallee.Code]int{
	mallee.CodeInvalid:     http.StatusBadRequest,
	mallee.CodeNotFound:    http.StatusNotFound,
	mallee.CodeOverloaded:  http.StatusTooManyRequests,
	mallee.CodeTimeout:     http.StatusGatewayTimeout,
	mallee.CodeCanceled:    statusClientClosed,
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

var errUnknown = mallee.NewError(mallee.CodeUnknown, "unknown error")

// refusal is an error of a request that never became a call, and for which HTTP
// has a status of its own.
type refusal struct {
	status int
	detail string
	allow  []string         // methods, with 405
	errors []jsonargs.Wrong // in the body, with 400
}

func (e *refusal) Error() string { return e.detail }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, detail: fmt.Sprintf(format, args...)}
}

func notAllowed(r *http.Request, allow ...string) *refusal {
	e := refuse(http.StatusMethodNotAllowed, "%s is not allowed here, %s is", r.Method, strings.Join(allow, " or "))
	e.allow = allow
	return e
}

func badBody(errs ...jsonargs.Wrong) *refusal {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = e.String()
	}
	return &refusal{status: http.StatusBadRequest, detail: strings.Join(texts, "; "), errors: errs}
}

// problemOf describes the error of a call of id, the zero ID if it has none.
func problemOf(err error, id mallee.ID) problem {
	var actor string
	if id != (mallee.ID{}) {
		actor = id.String()
	}
	var r *refusal
	if errors.As(err, &r) {
		return problem{Status: r.status, Code: mallee.CodeInvalid, Detail: r.detail, Actor: actor, RetrySafe: true, Errors: r.errors}
	}
	e := mallee.AsError(err)
	return problem{Status: statusOf(e.Code), Code: e.Code, Detail: e.Message, Actor: actor, RetrySafe: mallee.SafeToRetry(err)}
}

func writeProblem(w http.ResponseWriter, err error, id mallee.ID) {
	p := problemOf(err, id)
	p.Type = "urn:mallee:error:" + string(p.Code)
	if p.Title = http.StatusText(p.Status); p.Status == statusClientClosed {
		p.Title = "Client Closed Request"
	}
	body, failed := json.Marshal(p)
	if failed != nil { // texts, a number and a bool: there is nothing that could fail
		panic(failed)
	}
	header := w.Header()
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", "1")
	case http.StatusMethodNotAllowed:
		var r *refusal
		if errors.As(err, &r) {
			header.Set("Allow", strings.Join(r.allow, ", "))
		}
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone reads nothing
}
