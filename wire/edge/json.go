package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Payload is what stands in a frame as JSON.
type Payload interface {
	Hello | Welcome | Lost | Move | Closed
}

// Encode is the JSON of a payload. It fails only for a Login that is not JSON.
func Encode[P Payload](p P) ([]byte, error) { return json.Marshal(p) }

// Decode reads the JSON of a payload. Fields that it does not know are left
// out, since later versions may have more. The error is a *Violation, with
// CodeLoginInvalid for a Hello that cannot be used.
func Decode[P Payload](payload []byte) (P, error) {
	var p P
	err := decode(payload, &p)
	if hello, ok := any(&p).(*Hello); ok {
		if err == nil {
			err = hello.check()
		}
		if err != nil {
			return *new(P), violation(CodeLoginInvalid, "the login cannot be used: %s", err)
		}
	}
	if err != nil {
		return *new(P), violation(CodeProtocol, "the payload is not a %T: %s", p, err)
	}
	return p, nil
}

func decode(payload []byte, into any) error {
	switch {
	case len(payload) > MaxControl:
		return fmt.Errorf("it has %d bytes, more than %d", len(payload), MaxControl)
	case !utf8.Valid(payload): // encoding/json would put other characters there
		return errors.New("it is not UTF-8")
	case !bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")): // null would be taken
		return errors.New("it is not a JSON object")
	}
	return json.Unmarshal(payload, into)
}

// check also takes a login that is null for none.
func (h *Hello) check() error {
	if bytes.Equal(h.Login, []byte("null")) {
		h.Login = nil
	}
	switch {
	case h.Version != Version:
		return fmt.Errorf("it has version %d; this is version %d", h.Version, Version)
	case h.Login == nil && h.Resume == nil:
		return errors.New("it has neither a login nor a session to resume")
	case h.Resume != nil && h.Resume.Token == "":
		return errors.New("it resumes without a token")
	}
	return nil
}
