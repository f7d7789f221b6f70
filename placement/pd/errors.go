package pd

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// statusOf is an error as gRPC returns it. One that is a status already stays:
// the leader has made it.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok && len(s.Details()) > 0 {
		return err
	}
	var e *mallee.Error
	if !errors.As(err, &e) { // etcd and the network, which may come back
		err = mallee.ErrUnavailable.Errorf("%v", err)
	}
	detail := words.ErrorMessage(err)
	s, failed := status.New(grpcCode(mallee.Code(detail.GetCode())), detail.GetMessage()).WithDetails(detail)
	if failed != nil {
		return errors.Join(err, failed)
	}
	return s.Err()
}

func grpcCode(c mallee.Code) codes.Code {
	switch c {
	case mallee.CodeInvalid:
		return codes.InvalidArgument
	case mallee.CodeNotFound:
		return codes.NotFound
	case mallee.CodeFenced:
		return codes.FailedPrecondition
	case mallee.CodeOverloaded:
		return codes.ResourceExhausted
	case mallee.CodeTimeout:
		return codes.DeadlineExceeded
	case mallee.CodeCanceled:
		return codes.Canceled
	case mallee.CodeUnavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// noAnswer says that etcd has not done what it was asked for, or not said so.
func noAnswer(doing string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return mallee.ErrUnavailable.Errorf("%s: etcd does not answer; has it a majority?", doing)
	}
	return mallee.ErrUnavailable.Errorf("%s: etcd: %v", doing, err)
}
