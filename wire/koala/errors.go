package koala

import (
	"fmt"
	"strings"
)

// Code says why a call failed. 0 is success.
type Code int64

// The codes that hosts send.
const (
	InterfaceInvalid      Code = 10001 // no such service
	ImplementationInvalid Code = 10002
	UnknownException      Code = 10003 // all else: the text is mostly a traceback
	EntityNotFound        Code = 10004
	MethodNotFound        Code = 10005
	PositionChanged       Code = 10006 // look the actor up again, and retry once
)

// String is the text that hosts send with a code.
func (c Code) String() string {
	switch c {
	case InterfaceInvalid:
		return "interface invalid"
	case ImplementationInvalid:
		return "impl invalid"
	case UnknownException:
		return "unknown exception"
	case EntityNotFound:
		return "entity not found"
	case MethodNotFound:
		return "method not found"
	case PositionChanged:
		return "position changed"
	}
	return fmt.Sprintf("code %d", int64(c))
}

// Error is what a host answered instead of a result. Code 0 says that it did
// not tell why: a Python host loses the reason when it does not know the
// interface, or does not have the actor.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string {
	switch {
	case e.Code == 0 && e.Text == "":
		return "the host answered without a result: it does not know the interface, or the actor is elsewhere"
	case e.Text == "" || e.Text == e.Code.String():
		return fmt.Sprintf("the host answered %d, %s", int64(e.Code), e.Code)
	}
	return fmt.Sprintf("the host answered %d, %s: %s", int64(e.Code), e.Code, e.Text)
}

// FailureBody is the body that goes with a Failure. It is the result None: a
// Python caller reads the body before the code, and would else wait in vain.
const FailureBody = "0N."

// maxErrorStr leaves room in a meta for all that JSON escapes.
const maxErrorStr = 64 << 10

// Failure answers a request with an error; its body is FailureBody. A request
// has to be answered whatever has happened, so Failure makes of each text one
// that can be sent: it cuts it at 64 KiB and replaces what is not UTF-8. An
// empty text is that of the code, and code 0 is UnknownException.
func Failure(requestID int64, code Code, text string) *RPCResponse {
	if code == 0 {
		code = UnknownException
	}
	if text == "" {
		text = code.String()
	}
	text = text[:min(len(text), maxErrorStr)]
	return &RPCResponse{RequestID: requestID, ErrorCode: code, ErrorStr: strings.ToValidUTF8(text, "?")}
}
