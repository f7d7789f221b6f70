package koala

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// writer writes the fields of a JSON object: compact, and with no more escapes
// than JSON demands. Its first error stays.
type writer struct {
	b     []byte
	begun bool
	err   error
}

func (w *writer) key(name string) {
	if w.begun {
		w.b = append(w.b, ',')
	}
	w.begun = true
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, `":`...)
}

func (w *writer) fail(name string, err error) {
	if w.err == nil {
		w.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (w *writer) text(name string, v *string) {
	if !utf8.ValidString(*v) {
		w.fail(name, errUTF8)
	}
	w.key(name)
	w.b = appendText(w.b, *v)
}

func (w *writer) number(name string, v *int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, *v, 10)
}

func (w *writer) numbers(name string, v *[]int64) {
	w.key(name)
	if *v == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, '[')
	for i, n := range *v {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = strconv.AppendInt(w.b, n, 10)
	}
	w.b = append(w.b, ']')
}

func (w *writer) id(name string, v *string, integer *bool) {
	if integer == nil || !*integer {
		w.text(name, v)
		return
	}
	n, err := strconv.ParseInt(*v, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != *v {
		w.fail(name, fmt.Errorf("%.40q is not an integer of 64 bits: send it as text", *v))
	}
	w.number(name, &n)
}

var errUTF8 = errors.New("it is not valid UTF-8")

// appendText appends a JSON string. Python escapes control characters, quotes
// and backslashes, and nothing else.
func appendText(b []byte, v string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(v) {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ':
			b = append(b, c)
		case c >= '\b' && c <= '\r' && c != '\v':
			b = append(b, '\\', "btn_fr"[c-'\b'])
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, '"')
}
