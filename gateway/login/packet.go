package login

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// packet is a first message that is a JSON object. The last one of members with
// the same name counts. Lists and objects inside of it stay unread, so their
// depth costs nothing.
type packet map[string]json.RawMessage

func parsePacket(message []byte) (packet, error) {
	switch trimmed := bytes.TrimLeft(message, " \t\r\n"); {
	case !utf8.Valid(message):
		return nil, errors.New("the login is not UTF-8")
	case len(trimmed) == 0 || trimmed[0] != '{':
		return nil, errors.New("the login is not a JSON object")
	}
	var p packet
	if err := json.Unmarshal(message, &p); err != nil {
		return nil, fmt.Errorf("the login is not JSON: %w", err)
	}
	return p, nil
}

// has reports whether there is a member of the name, which may be null.
func (p packet) has(name string) bool {
	_, there := p[name]
	return there
}

// word is the text of a member that is a string or an integer.
func (p packet) word(name string) (string, error) {
	value, there := p[name]
	switch {
	case !there:
		return "", fmt.Errorf("%s is missing", name)
	case value[0] == '"':
		text, err := unquote(value)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return text, nil
	case isInteger(value):
		return integer(value), nil
	}
	return "", fmt.Errorf("%s is neither a string nor an integer", name)
}

// number is a member that is an integer or a string with one.
func (p packet) number(name string, bits int) (int64, error) {
	text, err := p.word(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%s is no integer of %d bits", name, bits)
	}
	return n, nil
}

// unquote reads a JSON string. U+FFFD is refused: it is what remains of text
// that was broken, and then different strings would be equal.
func unquote(value json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return "", err
	}
	if strings.ContainsRune(s, utf8.RuneError) {
		return "", errors.New("a string holds U+FFFD or half of a surrogate pair")
	}
	return s, nil
}

func isInteger(value json.RawMessage) bool {
	return (value[0] == '-' || '0' <= value[0] && value[0] <= '9') && !bytes.ContainsAny(value, ".eE")
}

// integer is the text of a JSON integer of any size.
func integer(value json.RawMessage) string {
	if string(value) == "-0" {
		return "0"
	}
	return string(value)
}
