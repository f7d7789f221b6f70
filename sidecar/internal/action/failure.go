package action

import (
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Failure is the error of a call that has ended with a gRPC status instead of
// an answer: the user function cannot be reached, or has thrown. It is a
// mallee.Error for callers elsewhere, and keeps its status for the client.
type Failure struct {
	err    *mallee.Error
	status *status.Status
}

func (f *Failure) Error() string { return f.err.Error() }

// Unwrap is the *mallee.Error.
func (f *Failure) Unwrap() error { return f.err }

// GRPCStatus lets status.FromError find the status.
func (f *Failure) GRPCStatus() *status.Status { return f.status }

// failed makes a Failure of an error of gRPC. Nil and io.EOF are none.
func failed(on *spec.Method, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	s := status.Convert(err)
	return &Failure{kind(s.Code()).Errorf("%s.%s: the user function's %s ended with %s: %s", on.Service.Name, on.Name, rpc(on), s.Code(), s.Message()), s}
}

// kind is the error of the framework that says the same as a gRPC code.
func kind(c codes.Code) *mallee.Error {
	switch c {
	case codes.Unavailable:
		return mallee.ErrUnavailable
	case codes.DeadlineExceeded:
		return mallee.ErrTimeout
	case codes.Canceled:
		return mallee.ErrCanceled
	case codes.ResourceExhausted:
		return mallee.ErrOverloaded
	case codes.InvalidArgument:
		return mallee.ErrInvalid
	default:
		return &mallee.Error{Code: mallee.CodeUnknown}
	}
}
