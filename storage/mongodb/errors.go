package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mallee-io/mallee/storage"
)

// failed says of an error what was to be done and where, and whether the
// server is away. Refusals it returns as they are, and it makes none: what
// failed otherwise may have been done.
func (s *store) failed(ctx context.Context, doing string, err error) error {
	if err == nil || storage.WasRefused(err) {
		return err
	}
	where := fmt.Sprintf("%s in MongoDB at %s", doing, s.address.hosts)
	ended := ctx.Err()
	if ended == nil && errors.Is(err, context.DeadlineExceeded) {
		ended = context.DeadlineExceeded // the driver's clock was first
	}
	switch {
	case errors.Is(ended, context.Canceled):
		return fmt.Errorf("%s: %w", where, ended)
	case ended != nil:
		return fmt.Errorf("%s: %w: %w: %s", where, storage.ErrUnavailable, ended, reason(err))
	case away(err):
		return fmt.Errorf("%s: %w: %s", where, storage.ErrUnavailable, reason(err))
	default:
		return fmt.Errorf("%s: %w", where, err)
	}
}

// away reports whether an error can pass by itself.
func away(err error) bool {
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.Is(err, mongo.ErrClientDisconnected) {
		return true
	}
	for _, label := range []string{transient, unknownCommit, "RetryableWriteError"} {
		if hasLabel(err, label) {
			return true
		}
	}
	var failure mongo.ServerError
	if !errors.As(err, &failure) {
		return false
	}
	return slices.ContainsFunc(failure.ErrorCodes(), leaving)
}

// leaving are the codes of a server that stops, is no primary any more, or
// does not know whether the majority has got a write.
func leaving(code int) bool {
	switch code {
	case 6, 7, 64, 89, 91, 189, 262, 9001, 10058, 10107, 11600, 11602, 13435, 13436:
		return true
	}
	return false
}

// reason is what is wrong with a server. The driver puts it into a description
// of all that it knows of the cluster.
func reason(err error) string {
	text := err.Error()
	if _, last, found := strings.Cut(text, "Last error: "); found {
		text, _, _ = strings.Cut(last, " }")
	}
	return strings.ReplaceAll(text, "\n", " ")
}
