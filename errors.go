package mallee

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Code says what kind of failure an Error is. Codes of the framework are one
// word; an application puts its own name and a dot in front: "game.bad_name".
type Code string

// The framework's codes.
const (
	CodeInvalid     Code = "invalid"     // the request itself is wrong: key, arguments, method
	CodeNotFound    Code = "not_found"   // no such actor type or method
	CodeOverloaded  Code = "overloaded"  // the mailbox is full; the call has not run
	CodeTimeout     Code = "timeout"     // the deadline passed
	CodeCanceled    Code = "canceled"    // the caller gave up
	CodeUnavailable Code = "unavailable" // the node or the cluster cannot answer now
	CodeCycle       Code = "cycle"       // a call chain came back to an actor that is not reentrant
	CodeActivation  Code = "activation"  // the actor could not be activated
	CodePanic       Code = "panic"       // the method panicked; the activation has ended
	CodeConflict    Code = "conflict"    // the store holds another version
	CodeFenced      Code = "fenced"      // another activation owns the actor now
	CodeStorage     Code = "storage"     // the store has failed or cannot be reached
	CodeUnknown     Code = "unknown"     // the method returned an error that has no code
)

// Sentinels of the framework's codes, for errors.Is.
var (
	ErrInvalid     = NewError(CodeInvalid, "invalid request")
	ErrNotFound    = NewError(CodeNotFound, "not found")
	ErrOverloaded  = NewError(CodeOverloaded, "mailbox is full")
	ErrTimeout     = NewError(CodeTimeout, "deadline exceeded")
	ErrCanceled    = NewError(CodeCanceled, "call canceled")
	ErrUnavailable = NewError(CodeUnavailable, "unavailable")
	ErrCycle       = NewError(CodeCycle, "call chain came back to an actor that is not reentrant")
	ErrActivation  = NewError(CodeActivation, "activation failed")
	ErrPanic       = NewError(CodePanic, "method panicked")
	ErrConflict    = NewError(CodeConflict, "version conflict")
	ErrFenced      = NewError(CodeFenced, "fenced by a newer activation")
	ErrStorage     = NewError(CodeStorage, "storage failed")
)

// maxErrorLength bounds the message of an error that leaves an actor, in bytes:
// an error is for people, and it travels in frames of limited size.
const maxErrorLength = 8 << 10

// Error is the one error type that crosses actors, nodes and languages. Two
// errors are the same to errors.Is when their codes are: compare with a
// sentinel made by NewError. Errors are immutable.
type Error struct {
	Code    Code
	Message string
	// NotRun is set by the runtime when it is certain that the call has done
	// nothing; see SafeToRetry.
	NotRun bool
}

// NewError makes a sentinel. It panics on a code that is not lower-case
// letters, digits, underscores and dots (at most 64 bytes), since that is a
// mistake in the program.
func NewError(code Code, message string) *Error {
	if !code.valid() {
		panic(fmt.Sprintf("mallee: error code %q: use at most 64 lower-case letters, digits, '_' and '.'", string(code)))
	}
	return &Error{Code: code, Message: message}
}

// Errorf makes an error with the code of the sentinel and a message of its own.
func (e *Error) Errorf(format string, args ...any) *Error {
	return &Error{Code: e.Code, Message: fmt.Sprintf(format, args...), NotRun: e.NotRun}
}

// BeforeRun is a copy of the error that says that the method has not begun to
// run, so the call is safe to repeat.
func (e *Error) BeforeRun() *Error {
	return &Error{Code: e.Code, Message: e.Message, NotRun: true}
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors of one code equal, a timeout equal to
// context.DeadlineExceeded and a cancellation to context.Canceled.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Code == CodeTimeout
	case context.Canceled:
		return e.Code == CodeCanceled
	}
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// SafeToRetry reports whether the call that failed with err has certainly done
// nothing, so that repeating it cannot do its work twice: the method has not
// begun to run, or all it tried to do was a write and that was refused. It is
// false when that is not known. Nil is not an error and not safe to retry.
func SafeToRetry(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NotRun
}

// AsError turns the error that a method returned into the form in which it
// leaves the actor: the same for a caller on this node and on another one.
// Whatever carries no code becomes CodeUnknown with its text, bounded in
// length and valid UTF-8. NotRun is cleared: the method that returned it ran.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e != nil {
		text := e.Message
		if err != error(e) { // wrapped on the way: the outer text says more
			text = strings.TrimPrefix(errorText(err), string(e.Code)+": ")
		}
		return &Error{Code: boundCode(e.Code), Message: boundText(text)}
	}
	code := CodeUnknown
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		code = CodeTimeout
	case errors.Is(err, context.Canceled):
		code = CodeCanceled
	}
	return &Error{Code: code, Message: boundText(errorText(err))}
}

// errorText is err.Error(), also when that panics: the text of an error comes
// from the application and must not take its activation down.
func errorText(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("error of type %T, whose Error method panics", err)
		}
	}()
	return err.Error()
}

func boundText(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxErrorLength {
		return text
	}
	cut := maxErrorLength
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "… (cut)"
}

func boundCode(code Code) Code {
	if code.valid() {
		return code
	}
	return CodeUnknown
}

func (c Code) valid() bool {
	for i := range len(c) {
		if b := c[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' && b != '.' {
			return false
		}
	}
	return c != "" && len(c) <= 64
}
