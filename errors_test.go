package mallee_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mallee-io/mallee"
)

var errBad = mallee.NewError("game.bad_name", "bad name")

func TestErrorsAreEqualByCode(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("join: %w", errBad.Errorf("%q", "x"))
	if !errors.Is(err, errBad) || errors.Is(err, mallee.ErrTimeout) {
		t.Errorf("%v", err)
	}
	if !errors.Is(mallee.ErrTimeout.Errorf("x"), context.DeadlineExceeded) || !errors.Is(mallee.ErrCanceled, context.Canceled) {
		t.Error("codes do not match context's errors")
	}
}

func TestSafeToRetry(t *testing.T) {
	t.Parallel()
	notRun := mallee.ErrOverloaded.Errorf("full").BeforeRun()
	for err, want := range map[error]bool{
		notRun: true, fmt.Errorf("call: %w", notRun): true, mallee.ErrOverloaded: false, io.EOF: false,
	} {
		if mallee.SafeToRetry(err) != want {
			t.Errorf("%v: want %v", err, want)
		}
	}
	if mallee.SafeToRetry(nil) {
		t.Error("nil is no error")
	}
}

type loud struct{}

func (loud) Error() string { panic("boom") }

func TestAsError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code mallee.Code
		text string
	}{
		"plain":    {io.EOF, mallee.CodeUnknown, "EOF"},
		"coded":    {errBad, "game.bad_name", "bad name"},
		"wrapped":  {fmt.Errorf("join: %w", errBad), "game.bad_name", "join: game.bad_name: bad name"},
		"deadline": {fmt.Errorf("query: %w", context.DeadlineExceeded), mallee.CodeTimeout, "query"},
		"canceled": {context.Canceled, mallee.CodeCanceled, "canceled"},
		"panics":   {loud{}, mallee.CodeUnknown, "whose Error method panics"},
		"binary":   {errors.New("a\xffb"), mallee.CodeUnknown, "a\uFFFDb"},
		"bad code": {&mallee.Error{Code: "A B", Message: "x"}, mallee.CodeUnknown, "x"},
	} {
		e := mallee.AsError(c.err)
		if e.Code != c.code || !strings.Contains(e.Message, c.text) || e.NotRun {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if mallee.AsError(nil) != nil {
		t.Error("nil became an error")
	}
	long := mallee.AsError(errors.New(strings.Repeat("é", 1<<20)))
	if len(long.Message) > 9<<10 || !utf8.ValidString(long.Message) {
		t.Errorf("a message of %d bytes", len(long.Message))
	}
}

func TestNewErrorRefusesOddCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []mallee.Code{"", "Game.x", "a b", mallee.Code(strings.Repeat("x", 65))} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is a code", code)
				}
			}()
			mallee.NewError(code, "x")
		}()
	}
}
