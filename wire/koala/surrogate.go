package koala

import (
	"strconv"
	"unicode/utf16"
)

// hasLoneSurrogate reports whether a valid JSON string has an escape that is
// half a character. Package json would put U+FFFD in its place, and so make
// one id of many; Koala's peers refuse it.
func hasLoneSurrogate(literal []byte) bool {
	for i := 0; i < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		first := escaped(literal[i:])
		if !utf16.IsSurrogate(first) {
			i++ // past what is escaped, which may be a backslash
			continue
		}
		const escape = len(`\u0000`)
		if utf16.DecodeRune(first, escaped(literal[i+escape:])) == '\ufffd' {
			return true
		}
		i += 2*escape - 1
	}
	return false
}

// escaped is the code unit of an escape in hexadecimal digits that b begins
// with, or 0.
func escaped(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	v, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(v)
}
