package eventing

import (
	"errors"
	"time"

	"github.com/mallee-io/mallee"
)

// trial is what has become of one event so far. It is pure; the zero trial is
// that of an event which has not failed.
type trial struct {
	failures int
	lasting  int // those of them that may be due to the event
}

// Backoff of deliveries, as the protocol's own proxy has it.
const (
	minBackoff   = 3 * time.Second
	maxBackoff   = 30 * time.Second
	randomFactor = 0.2
)

// failed counts a failure, and reports whether it was the last one: the event
// is set aside, because no method takes it or because so many attempts have
// failed. What is between the event and its method may fail for ever.
func (t *trial) failed(err error, attempts int) (last bool) {
	t.failures++
	if lasting(err) {
		t.lasting++
	}
	var u unwanted
	return errors.As(err, &u) || t.lasting >= attempts
}

// wait is how long to wait before the next attempt. Random is from 0 to 1.
func (t *trial) wait(random float64) time.Duration {
	d := maxBackoff
	if doubled := t.failures - 1; doubled < 4 {
		d = min(d, minBackoff<<max(doubled, 0))
	}
	return d + time.Duration(random*randomFactor*float64(d))
}

// unwanted is the error of an event that no method of its consumer takes, or
// that cannot be read: to try again is of no use.
type unwanted struct{ error }

// refused reports whether an error is a failure that the user function has
// answered with.
func refused(err error) bool {
	var e *mallee.Error
	return errors.As(err, &e) && e.Code == mallee.CodeUnknown
}

// lasting reports whether an error may be due to the event, and not to what is
// between it and its method.
func lasting(err error) bool {
	var e *mallee.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case mallee.CodeUnknown, mallee.CodeInvalid, mallee.CodeNotFound, mallee.CodeCycle, mallee.CodePanic:
		return true
	default:
		return false
	}
}
