package placement

import (
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// refusal is the mallee error of an answer that another process would give as
// well; nil: another attempt may do.
func refusal(what string, err error) error {
	s := status.Convert(err)
	var sentinel *mallee.Error
	switch s.Code() {
	case codes.FailedPrecondition:
		sentinel = mallee.ErrFenced
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated:
		sentinel = mallee.ErrInvalid
	case codes.NotFound:
		sentinel = mallee.ErrNotFound
	default:
		return nil
	}
	if cause := words.Cause(err); cause != nil && s.Code() != codes.FailedPrecondition {
		sentinel = cause.BeforeRun() // nothing has been placed
	}
	return sentinel.Errorf("%s: %s", what, s.Message())
}

// maxFailures bounds how many processes an error tells of.
const maxFailures = 8

// failures remembers of each process why it was of no help.
type failures struct{ all []failure }

type failure struct{ addr, cause string }

func (f *failures) note(addr string, err error) {
	cause := err.Error()
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		cause = s.GRPCStatus().Message()
	}
	f.all = slices.DeleteFunc(f.all, func(known failure) bool { return known.addr == addr })
	f.all = append(f.all, failure{addr, cause})
	if len(f.all) > maxFailures {
		f.all = f.all[1:]
	}
}

func (f *failures) String() string {
	if len(f.all) == 0 {
		return "no process of the placement driver has answered yet"
	}
	var b strings.Builder
	b.WriteString("no leader of the placement driver answers; see that most of its processes run and can be reached from here (")
	for i, one := range f.all {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(one.addr + ": " + one.cause)
	}
	b.WriteString(")")
	return b.String()
}
