package ingress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
)

// body is the body of a request, read until a deadline at most. The deadline of
// the context alone would not end a read that waits for the client.
type body struct {
	io.Reader
	w        http.ResponseWriter
	deadline time.Time   // zero: none
	timer    *time.Timer // runs while a read does; nil before the first

	mu   sync.Mutex
	over bool // the deadline is no longer to be set: w may be another request's
}

// setDeadline ends reads with the call. A client that sends one message has a
// limited time for it.
func (b *body) setDeadline(ctx context.Context, timeout time.Duration, oneMessage bool) {
	if oneMessage {
		b.deadline = time.Now().Add(timeout)
	}
	if d, ok := ctx.Deadline(); ok && (b.deadline.IsZero() || d.Before(b.deadline)) {
		b.deadline = d
	}
}

func (b *body) Read(p []byte) (int, error) {
	if b.deadline.IsZero() {
		return b.Reader.Read(p)
	}
	if left := time.Until(b.deadline); b.timer == nil {
		b.timer = time.AfterFunc(left, b.expire)
	} else {
		b.timer.Reset(left)
	}
	defer b.timer.Stop()
	return b.Reader.Read(p)
}

// expire makes the read that waits fail. A writer without deadlines is one of a
// test, without a client that can be slow.
func (b *body) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Unix(1, 0))
	}
}

// end has to be called before the request's handler returns. A read that still
// waits then is ended by net/http.
func (b *body) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// readAll is the whole body, of at most max bytes, and ends it.
func (b *body) readAll(max int) ([]byte, error) {
	defer b.end()
	data, err := io.ReadAll(io.LimitReader(b, int64(max)+1))
	if err != nil {
		return nil, readError(err)
	}
	if len(data) > max {
		return nil, tooLarge(max)
	}
	return data, nil
}

// readError is the status of a body that cannot be read.
func readError(err error) error {
	var own *refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(codes.DeadlineExceeded, "the request has not arrived in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("the request ends within a message")
	}
	return refuse(codes.Canceled, "the request cannot be read: %v", err)
}
