package ingress

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
)

// refusal is a status of the ingress itself: what is wrong with a request.
type refusal struct {
	code codes.Code
	text string
}

func (r *refusal) Error() string { return r.text }

func refuse(code codes.Code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

func unimplemented(format string, args ...any) *refusal {
	return refuse(codes.Unimplemented, format, args...)
}

// malformed is what bytes get that are not what the protocol says.
func malformed(format string, args ...any) *refusal {
	return refuse(codes.Internal, format, args...)
}

// statusOf is the status that a client gets for the error of a call. A failure
// of the user function keeps exactly its description.
func statusOf(err error) (codes.Code, string) {
	if err == nil {
		return codes.OK, ""
	}
	var own *refusal
	if errors.As(err, &own) {
		return own.code, own.text
	}
	var carrier interface{ GRPCStatus() *status.Status }
	if errors.As(err, &carrier) && carrier.GRPCStatus() != nil { // of the user function's own stream
		s := carrier.GRPCStatus()
		return s.Code(), s.Message()
	}
	e := mallee.AsError(err)
	return codeOf(e.Code), e.Message
}

// codeOf is the code of gRPC for one of ours. Not found is that of an actor type
// or a method, never of something that the application looked for.
func codeOf(code mallee.Code) codes.Code {
	switch code {
	case mallee.CodeUnavailable:
		return codes.Unavailable
	case mallee.CodeTimeout:
		return codes.DeadlineExceeded
	case mallee.CodeCanceled:
		return codes.Canceled
	case mallee.CodeOverloaded:
		return codes.ResourceExhausted
	case mallee.CodeInvalid:
		return codes.InvalidArgument
	case mallee.CodeNotFound:
		return codes.Unimplemented
	case mallee.CodeUnknown:
		return codes.Unknown
	}
	if strings.ContainsRune(string(code), '.') { // an application's
		return codes.Unknown
	}
	return codes.Internal
}

// connectStatus is the name of a code in Connect, and the status of HTTP that a
// unary call ends with.
func connectStatus(code codes.Code) (name string, http int) {
	if int(code) < len(connectCodes) {
		c := connectCodes[code]
		return c.name, c.http
	}
	return connectCodes[codes.Unknown].name, connectCodes[codes.Unknown].http
}

// connectCodes are by the number of the code; the first is OK and has no name.
var connectCodes = [...]struct {
	name string
	http int
}{
	codes.OK:                 {"", http.StatusOK},
	codes.Canceled:           {"canceled", 499},
	codes.Unknown:            {"unknown", http.StatusInternalServerError},
	codes.InvalidArgument:    {"invalid_argument", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"deadline_exceeded", http.StatusGatewayTimeout},
	codes.NotFound:           {"not_found", http.StatusNotFound},
	codes.AlreadyExists:      {"already_exists", http.StatusConflict},
	codes.PermissionDenied:   {"permission_denied", http.StatusForbidden},
	codes.ResourceExhausted:  {"resource_exhausted", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"failed_precondition", http.StatusBadRequest},
	codes.Aborted:            {"aborted", http.StatusConflict},
	codes.OutOfRange:         {"out_of_range", http.StatusBadRequest},
	codes.Unimplemented:      {"unimplemented", http.StatusNotImplemented},
	codes.Internal:           {"internal", http.StatusInternalServerError},
	codes.Unavailable:        {"unavailable", http.StatusServiceUnavailable},
	codes.DataLoss:           {"data_loss", http.StatusInternalServerError},
	codes.Unauthenticated:    {"unauthenticated", http.StatusUnauthorized},
}

// percentEncode writes a text as grpc-message wants it: printable ASCII without
// the percent sign, all else escaped byte by byte.
func percentEncode(text string) string {
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
	i := 0
	for i < len(text) && plain(text[i]) {
		i++
	}
	if i == len(text) {
		return text
	}
	var b strings.Builder
	b.WriteString(text[:i])
	for ; i < len(text); i++ {
		if plain(text[i]) {
			b.WriteByte(text[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", text[i])
		}
	}
	return b.String()
}
