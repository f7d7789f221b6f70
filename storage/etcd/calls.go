package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/storage"
)

const (
	defaultTimeout = 10 * time.Second // of a call without a deadline
	pause          = 50 * time.Millisecond
)

// bounded gives a call a deadline that has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// try calls etcd until ctx ends or the answer is one that is not to be asked
// for again.
func try[T any](ctx context.Context, s *store, again func(error) bool, call func() (T, error)) (T, error) {
	for {
		answer, err := call()
		if err == nil || !again(err) || s.closed.Load() {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-time.After(pause):
		}
	}
}

// mayPass reports whether a call that may be repeated is worth it.
func (s *store) mayPass(err error) bool {
	return codeOf(err) == codes.Unavailable || s.asksForLogin(err)
}

// asksForLogin reports whether a server has left a request alone because it
// does not know the client, or not any more. The client has logged in again by
// now.
func (s *store) asksForLogin(err error) bool {
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) || errors.Is(err, rpctypes.ErrAuthOldRevision) ||
		errors.Is(err, rpctypes.ErrUserEmpty) && s.config.User != ""
}

func codeOf(err error) codes.Code {
	if etcd := (rpctypes.EtcdError{}); errors.As(err, &etcd) {
		return etcd.Code()
	}
	return status.Code(err)
}

// isTooLarge reports whether a request or an answer was refused by its size.
func isTooLarge(err error) bool {
	return errors.Is(err, rpctypes.ErrRequestTooLarge) ||
		codeOf(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max")
}

// explainRead is explain for a call that harms nothing.
func (s *store) explainRead(ctx context.Context, what string, err error) error {
	if s.closed.Load() {
		return fmt.Errorf("%s: %w", what, storage.ErrClosed)
	}
	return s.explain(ctx, what, err)
}

// explain says what a failed call means, and what to do. It is never a
// refusal.
func (s *store) explain(ctx context.Context, what string, err error) error {
	reason := status.Convert(err).Message()
	switch code := codeOf(err); {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", what, context.Canceled)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: etcd at %s: %w (%s)", what, storage.ErrUnavailable, s.endpoints(), ctx.Err(), reason)
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("%s: etcd at %s asks for a user: set Config.User and Password", what, s.endpoints())
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("%s: etcd at %s does not let user %q do that: etcdctl role grant-permission --prefix=true ROLE readwrite %s", what, s.endpoints(), s.config.User, s.config.Prefix)
	case code == codes.Unavailable, code == codes.Unknown, code == codes.Internal, code == codes.ResourceExhausted, code == codes.Aborted, code == codes.Canceled, code == codes.DeadlineExceeded:
		return fmt.Errorf("%s: %w: etcd at %s: %s", what, storage.ErrUnavailable, s.endpoints(), reason)
	}
	return fmt.Errorf("%s: etcd at %s: %s", what, s.endpoints(), reason)
}

// explainWrite is explain for a batch. What it returns is a refusal only if
// nothing was written for certain. It is a request that was too large, not an
// answer: answers to batches hold less.
func (s *store) explainWrite(ctx context.Context, key storage.Key, err error) error {
	what := fmt.Sprintf("write %s", key)
	switch {
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%s: %w: the servers take fewer rows in a batch than Config.MaxTxnOps allows: raise their --max-txn-ops or lower it", what, storage.ErrTooLarge)
	case isTooLarge(err):
		return fmt.Errorf("%s: %w: the servers take fewer bytes in a batch than Config.MaxRequestBytes allows: raise their --max-request-bytes or lower it", what, storage.ErrTooLarge)
	case s.closed.Load():
		return s.unknown(key, errors.New("the store was closed meanwhile"))
	}
	return s.explain(ctx, what, err)
}

// unknown is the error of a write that may have been done.
func (s *store) unknown(key storage.Key, why error) error {
	return fmt.Errorf("write %s: %w: etcd at %s: whether it was done is not known: %w", key, storage.ErrUnavailable, s.endpoints(), why)
}

func (s *store) endpoints() string { return strings.Join(s.config.Endpoints, ", ") }
